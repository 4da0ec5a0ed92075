"""Programs that keep this repository: they write the generated pages of ``docs/reference``."""
