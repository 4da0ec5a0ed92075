"""What attackers run into."""

from tests.flows.conftest import clock, events, stage, staged  # noqa: F401 - fixtures
