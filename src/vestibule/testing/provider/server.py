"""An OpenID provider for development and tests.

It believes everybody who chooses a name, so it serves this machine only::

    with DevelopmentProvider() as provider:
        auth = OIDCProxy(config_url=provider.config_url, client_id=provider.client_id, client_secret=provider.client_secret, …)

Without a ``with`` block :attr:`DevelopmentProvider.app` is an ASGI app for in-process tests, at the ``base_url`` it was given.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from vestibule.clock import Clock, SystemClock
from vestibule.errors import ConfigurationError
from vestibule.protocol.parameters import Parameters
from vestibule.testing.loopback import LoopbackServer, check_loopback_host
from vestibule.testing.provider.authorize import authorize
from vestibule.testing.provider.faults import EndpointName, Faults
from vestibule.testing.provider.keys import Algorithm, SigningKeys
from vestibule.testing.provider.model import DEFAULT_CLIENT, DEFAULT_USERS, ProviderClient, RecordedRequest
from vestibule.testing.provider.token import introspect, revoke, token, userinfo
from vestibule.testing.provider.world import AccessTokenFormat, World, endpoint

__all__ = ["DevelopmentProvider"]


class DevelopmentProvider:
    """Discovery, login page, tokens, keys, userinfo, introspection and revocation, with faults to order.

    Args:
        base_url: its issuer while it runs in process; on a loopback host. :meth:`start` replaces it by where it listens.
        users: claims by name; the name is ``sub`` unless the claims say otherwise. By default alice and bob.
        clients: the apps that are set up; by default one confidential client.
        auto_approve_as: signs this user in without asking, where the browser has no session yet.
        access_token_format: ``jwt`` (RFC 9068) or ``opaque``.
        algorithm: ``RS256`` or ``ES256``.
        refresh_tokens: whether it gives any; they rotate, and a spent one ends the session.
        access_token_seconds: life of access tokens.
        require_nonce: refuse authorization requests without ``nonce``, as some providers do.
        require_pkce: refuse them without ``code_challenge``.
        clock: the time.

    Raises:
        ConfigurationError: `base_url` is not on this machine, or `auto_approve_as` is not a user.
    """

    def __init__(
        self,
        *,
        base_url: str = "http://127.0.0.1:9400",
        users: Mapping[str, Mapping[str, Any]] | None = None,
        clients: Iterable[ProviderClient] = (DEFAULT_CLIENT,),
        auto_approve_as: str | None = None,
        access_token_format: AccessTokenFormat = "jwt",  # noqa: S107 - a format
        algorithm: Algorithm = "RS256",
        refresh_tokens: bool = True,
        access_token_seconds: int = 3600,
        require_nonce: bool = False,
        require_pkce: bool = False,
        clock: Clock | None = None,
    ) -> None:
        check_loopback_host(urlsplit(base_url).hostname or "")
        keys = SigningKeys(algorithm)
        self._world = World(
            base_url=base_url.rstrip("/"),
            clients={client.client_id: client for client in clients},
            users=dict(DEFAULT_USERS if users is None else users),
            auto_approve_as=auto_approve_as,
            access_token_format=access_token_format,
            refresh_tokens=refresh_tokens,
            access_token_seconds=access_token_seconds,
            require_nonce=require_nonce,
            require_pkce=require_pkce,
            clock=clock or SystemClock(),
            keys=keys,
            faults=Faults(keys.rotate),
        )
        if auto_approve_as is not None and auto_approve_as not in self._world.users:
            raise ConfigurationError(f"auto_approve_as names {auto_approve_as!r}, who is not among the users.")
        self._server: LoopbackServer | None = None
        self.app = _app(self._world)

    @property
    def issuer(self) -> str:
        """Its issuer, the base of all its URLs."""
        return self._world.base_url

    @property
    def config_url(self) -> str:
        """Its discovery document."""
        return self._world.url("/.well-known/openid-configuration")

    @property
    def client_id(self) -> str:
        """The first client's id."""
        return next(iter(self._world.clients))

    @property
    def client_secret(self) -> str | None:
        """The first client's secret."""
        return self._world.clients[self.client_id].client_secret

    @property
    def faults(self) -> Faults:
        """Where faults are ordered."""
        return self._world.faults

    @property
    def requests(self) -> list[RecordedRequest]:
        """Every request so far; may be cleared."""
        return self._world.requests

    @property
    def auto_approve_as(self) -> str | None:
        """Who is signed in without being asked."""
        return self._world.auto_approve_as

    @auto_approve_as.setter
    def auto_approve_as(self, user: str | None) -> None:
        self._world.auto_approve_as = user

    def requests_to(self, name: EndpointName) -> list[RecordedRequest]:
        """The requests to one endpoint so far."""
        return [request for request in self._world.requests if request.endpoint == name]

    def start(self, *, host: str = "127.0.0.1", port: int = 0) -> Self:
        """Listen, in a thread of its own.

        Args:
            host: a loopback host.
            port: 0 for a free one.

        Raises:
            ConfigurationError: `host` is not loopback.
        """
        self._server = LoopbackServer(self.app, host=host, port=port)
        self._world.base_url = self._server.url
        self._server.start()
        return self

    def stop(self) -> None:
        """Listen no more. What it knows stays, so that :meth:`start` with the same port is a restart."""
        if self._server is not None:
            self._server.stop()
            self._server = None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.stop()


def _app(world: World) -> Starlette:
    routes = [
        endpoint(world, "/.well-known/openid-configuration", "discovery", _discovery, ["GET"]),
        endpoint(world, "/jwks", "jwks", _jwks, ["GET"]),
        endpoint(world, "/authorize", "authorize", authorize, ["GET", "POST"]),
        endpoint(world, "/token", "token", token, ["POST"]),
        endpoint(world, "/userinfo", "userinfo", userinfo, ["GET", "POST"]),
        endpoint(world, "/introspect", "introspect", introspect, ["POST"]),
        endpoint(world, "/revoke", "revoke", revoke, ["POST"]),
    ]
    # Whatever serves the app: it answers to this machine's own names only.
    hosts = Middleware(TrustedHostMiddleware, allowed_hosts=["127.0.0.1", "localhost", "::1", "[::1]"], www_redirect=False)
    return Starlette(routes=routes, middleware=[hosts])


async def _discovery(world: World, request: Request, parameters: Parameters) -> Response:
    return JSONResponse(
        {
            "issuer": world.base_url,
            "authorization_endpoint": world.url("/authorize"),
            "token_endpoint": world.url("/token"),
            "jwks_uri": world.url("/jwks"),
            "userinfo_endpoint": world.url("/userinfo"),
            "introspection_endpoint": world.url("/introspect"),
            "revocation_endpoint": world.url("/revoke"),
            "scopes_supported": ["openid", "profile", "email", "offline_access"],
            "response_types_supported": ["code"],
            "grant_types_supported": ["authorization_code", "refresh_token"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": [world.keys.algorithm],
            "token_endpoint_auth_methods_supported": [
                "client_secret_basic",
                "client_secret_post",
                "private_key_jwt",
                "none",
            ],
            "code_challenge_methods_supported": ["S256"],
            "authorization_response_iss_parameter_supported": True,
        }
    )


async def _jwks(world: World, request: Request, parameters: Parameters) -> Response:
    return JSONResponse(world.keys.jwks())
