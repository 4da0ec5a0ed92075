"""One of several server processes on one store: ``python -m benchmarks.replica SIDE UPSTREAM STORE_URL``.

Both sides protect the same application, which answers at once, so that what is measured is the protection.
"""

from __future__ import annotations

import base64
import hashlib
import sys
from typing import Any

from starlette.applications import Starlette
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from benchmarks.many import SIGNING_KEY
from benchmarks.processes import serve
from benchmarks.server import WithUsage
from benchmarks.sides import build_provider

BASE_URL = "http://127.0.0.1:8"
"""What all of them are called outside."""


class Answer:
    """The protected application."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await Response("{}", media_type="application/json")(scope, receive, send)


def build(side: str, upstream: str, store: str) -> ASGIApp:
    """The server of one side."""
    options = {"ours": lambda: {"client_storage": store}, "peer": lambda: _peer_options(store)}[side]()
    provider = build_provider(side, upstream=upstream, base_url=BASE_URL, jwt_signing_key=SIGNING_KEY, **options)
    routes = [*provider.get_routes("/mcp"), Route("/mcp", {"ours": lambda _: Answer(), "peer": _required}[side](provider))]
    return WithUsage(Starlette(routes=routes, middleware=provider.get_middleware()))


def _peer_options(store: str) -> dict[str, Any]:
    """As its documentation has it for several processes: a shared store, encrypted. Its tokens live as long as ours."""
    from cryptography.fernet import Fernet
    from key_value.aio.stores.redis import RedisStore
    from key_value.aio.wrappers.encryption import FernetEncryptionWrapper

    key = base64.urlsafe_b64encode(hashlib.sha256(SIGNING_KEY.encode()).digest())
    wrapped = FernetEncryptionWrapper(key_value=RedisStore(url=store), fernet=Fernet(key))
    return {"client_storage": wrapped, "fastmcp_access_token_expiry_seconds": 3600}


def _required(provider: Any) -> ASGIApp:
    """As its own server puts the check in front of an endpoint."""
    from fastmcp.server.auth.middleware import RequireAuthMiddleware

    return RequireAuthMiddleware(Answer(), provider.required_scopes, None, provider.challenge_scopes)


if __name__ == "__main__":
    side, upstream, store = sys.argv[1:]
    serve(lambda _: build(side, upstream, store))
