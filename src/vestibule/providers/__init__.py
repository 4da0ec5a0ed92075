"""One small module per vendor: data first, a hook only where data is not enough.

Owns what is particular to an identity provider. May import :mod:`vestibule.proxy`, :mod:`vestibule.verifiers` and what lies below
them.
"""
