"""Identity providers and the protected server, as context managers."""

from __future__ import annotations

import json
import sys
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from tests.interop import setup
from tests.interop.certificates import self_signed
from tests.interop.person import Person, opener
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
    with opener().open(url, timeout=30) as answer:
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

    @property
    def mcp_url(self) -> str:
        return f"{self.base_url.rstrip('/')}/mcp"

    @property
    def metadata(self) -> dict[str, Any]:
        """Its authorization server metadata (RFC 8414)."""
        parts = urlsplit(self.base_url)
        inserted = f"/.well-known/oauth-authorization-server{parts.path.rstrip('/')}"
        return get_json(f"{parts.scheme}://{parts.netloc}{inserted}")


def credentials(callback: str) -> tuple[str, str]:
    """What the administrator chose for an application: an id, and a secret that has to be encoded in Basic (RFC 6749 §2.3.1)."""
    return f"vestibule-{urlsplit(callback).port}", "interop secret: with % and + and :"


def control(issuer: str, what: str, value: Any) -> None:
    """Tell the scripted provider something that is no part of OAuth."""
    request = urllib.request.Request(f"{issuer}/control/{what}", data=json.dumps(value).encode())
    opener().open(request, timeout=30).close()


@contextmanager
def panva(folder: Path, *, port: int = 0, **settings: Any) -> Iterator[IdentityProvider]:
    """The certified provider ``oidc-provider``: PKCE required, exact client authentication, JWTs per resource."""
    port = port or free_port()
    issuer = f"http://127.0.0.1:{port}"

    def register(callback: str) -> tuple[str, str]:
        client_id, client_secret = credentials(callback)
        client = {
            "client_id": client_id,
            "client_secret": client_secret,
            "redirect_uris": [callback],
            "grant_types": ["authorization_code", "refresh_token"],
            "token_endpoint_auth_method": settings.get("auth_method", "client_secret_basic"),
        }
        control(issuer, "clients", client)
        return client_id, client_secret

    env = node_environment(SETTINGS=json.dumps({"port": port, **settings}))
    with listening(node("panva.mjs"), port=port, log=folder / f"panva-{port}.log", env=env) as log:
        yield IdentityProvider(issuer, log, register, Person)


@contextmanager
def protected(
    provider: IdentityProvider, folder: Path, *, path: str = "", port: int = 0, tls: bool = False, **options: Any
) -> Iterator[ProtectedServer]:
    """A FastMCP server behind ``OIDCProxy``.

    Args:
        provider: where its users sign in.
        folder: for its state and log.
        path: end of the base URL, and so of the issuer: nothing, a slash, or the path that it is mounted at.
        port: one that was used before, for a restart.
        tls: serve https, with a certificate that nobody knows.
        options: of the bridge.
    """
    port = port or free_port()
    base_url = f"{'https' if tls else 'http'}://127.0.0.1:{port}{path}"
    client_id, client_secret = provider.register(f"{base_url.rstrip('/')}/auth/callback")
    auth = {
        "config_url": provider.config_url,
        "client_id": client_id,
        "client_secret": client_secret,
        "base_url": base_url,
        "client_storage": f"sqlite:///{folder / f'state-{port}.sqlite'}",
        **options,
    }
    settings = {"port": port, "mount": path.rstrip("/"), "tls": self_signed(folder) if tls else {}, "auth": auth}
    env = environment(SETTINGS=json.dumps(settings), PYTHONPATH=str(REPOSITORY / "src"), VESTIBULE_HOME=str(folder / "home"))
    command = [sys.executable, str(Path(__file__).with_name("app.py"))]
    with listening(command, port=port, log=folder / f"server-{port}.log", env=env, cwd=folder) as log:
        yield ProtectedServer(base_url, provider, log)
