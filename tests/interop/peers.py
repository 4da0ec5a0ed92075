"""Identity providers and the protected server, as context managers."""

from __future__ import annotations

import json
import sys
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from tests.interop import setup
from tests.interop.person import Person
from tests.interop.processes import environment, free_port, listening

REPOSITORY = Path(__file__).parents[2]


def node_environment(**further: str) -> dict[str, str]:
    """Variables under which ``node`` is Node 22."""
    env = environment(**further)
    return {**env, "PATH": f"{setup.node_modules() / 'node/bin'}:{env['PATH']}"}


def node(script: str) -> list[str]:
    """The command that runs a script of the node folder."""
    return [str(setup.node_modules() / "node/bin/node"), str(setup.NODE_FOLDER / script)]


def get_json(url: str) -> Any:
    """A document, straight from loopback."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(url, timeout=30) as answer:
        return json.load(answer)


@dataclass
class IdentityProvider:
    """A running provider.

    Attributes:
        register: what an administrator does by hand: takes the callback, returns client id and secret.
        person: makes somebody who can sign in there.
    """

    issuer: str
    log: Path
    register: Callable[[str], tuple[str, str]]
    person: Callable[..., Person]

    @property
    def config_url(self) -> str:
        return f"{self.issuer}/.well-known/openid-configuration"


@dataclass
class ProtectedServer:
    """A running MCP server behind a bridge."""

    base_url: str
    provider: IdentityProvider
    log: Path
    options: Mapping[str, Any] = field(default_factory=dict)

    @property
    def mcp_url(self) -> str:
        return f"{self.base_url.rstrip('/')}/mcp"

    @property
    def metadata(self) -> dict[str, Any]:
        """Its authorization server metadata (RFC 8414)."""
        return get_json(f"{self.base_url.rstrip('/')}/.well-known/oauth-authorization-server")


@contextmanager
def panva(folder: Path, **settings: Any) -> Iterator[IdentityProvider]:
    """The certified provider ``oidc-provider``: PKCE required, exact client authentication, JWTs per resource."""
    port = free_port()
    issuer = f"http://127.0.0.1:{port}"

    def register(callback: str) -> tuple[str, str]:
        client = {
            "client_id": f"vestibule-{urlsplit(callback).port}",
            "client_secret": "interop secret: with % and + and :",
            "redirect_uris": [callback],
            "grant_types": ["authorization_code", "refresh_token"],
            "token_endpoint_auth_method": settings.get("auth_method", "client_secret_basic"),
        }
        request = urllib.request.Request(f"{issuer}/control/clients", data=json.dumps(client).encode())
        urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=30).close()
        return client["client_id"], client["client_secret"]

    env = node_environment(SETTINGS=json.dumps({"port": port, **settings}))
    with listening(node("panva.mjs"), port=port, log=folder / f"panva-{port}.log", env=env) as log:
        yield IdentityProvider(issuer, log, register, Person)


@contextmanager
def protected(
    provider: IdentityProvider, folder: Path, *, slash: str = "", port: int = 0, **options: Any
) -> Iterator[ProtectedServer]:
    """A FastMCP server behind ``OIDCProxy``; `slash` ends its base URL, and so its issuer. A `port` used before: a restart."""
    port = port or free_port()
    base_url = f"http://127.0.0.1:{port}{slash}"
    client_id, client_secret = provider.register(f"http://127.0.0.1:{port}/auth/callback")
    auth = {
        "config_url": provider.config_url,
        "client_id": client_id,
        "client_secret": client_secret,
        "base_url": base_url,
        "client_storage": f"sqlite:///{folder / f'state-{port}.sqlite'}",
        **options,
    }
    env = environment(
        SETTINGS=json.dumps({"port": port, "auth": auth}),
        PYTHONPATH=str(REPOSITORY / "src"),
        VESTIBULE_HOME=str(folder / "home"),
    )
    command = [sys.executable, str(Path(__file__).with_name("app.py"))]
    with listening(command, port=port, log=folder / f"server-{port}.log", env=env, cwd=folder) as log:
        yield ProtectedServer(base_url, provider, log, options)
