"""Tokens that a function of your own decides on, for development. A function cannot be configured from outside the code."""

from __future__ import annotations

from vestibule.verifiers.debug import DebugTokenVerifier

__all__ = ["DebugTokenVerifier"]
