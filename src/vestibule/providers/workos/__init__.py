"""WorkOS, in its two forms: a bridge to one Connect application (:mod:`~vestibule.providers.workos.connect`), or AuthKit registering MCP
clients itself (:mod:`~vestibule.providers.workos.authkit`)."""

from __future__ import annotations

from vestibule.providers.workos.authkit import AuthKitProvider, AuthKitProviderSettings
from vestibule.providers.workos.connect import WorkOSProvider, WorkOSProviderSettings
from vestibule.providers.workos.verifier import WorkOSTokenVerifier

__all__ = ["AuthKitProvider", "AuthKitProviderSettings", "WorkOSProvider", "WorkOSProviderSettings", "WorkOSTokenVerifier"]
