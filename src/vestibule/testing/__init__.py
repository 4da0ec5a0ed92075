"""For development and tests: an identity provider, a scripted user with a browser, a scripted OAuth client, and a clock to move.

Owns nothing that runs in production: the provider refuses any address but loopback. May import everything below it.
"""

from __future__ import annotations

from vestibule.testing.client import ScriptedClient
from vestibule.testing.clock import FakeClock
from vestibule.testing.loopback import LoopbackServer
from vestibule.testing.provider import DevelopmentProvider, ProviderClient
from vestibule.testing.user import ScriptedUser

__all__ = ["DevelopmentProvider", "FakeClock", "LoopbackServer", "ProviderClient", "ScriptedClient", "ScriptedUser"]
