"""PropelAuth, which registers MCP clients itself and answers about its tokens by introspection."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import TYPE_CHECKING, Any, Unpack

from vestibule.providers.remote import RegisteringProvider, RemoteOptions, RemoteSettings
from vestibule.proxy.build import public_url
from vestibule.settings import Secret, Text
from vestibule.verifiers.introspection import IntrospectionTokenVerifier

if TYPE_CHECKING:
    from pydantic import AnyHttpUrl

__all__ = ["PropelAuthProvider", "PropelAuthProviderSettings"]


class PropelAuthProviderSettings(RemoteSettings, provider="propelauth"):
    """``VESTIBULE_PROPELAUTH_*``."""

    auth_url: Text | None = None
    introspection_client_id: Text | None = None
    introspection_client_secret: Secret | None = None
    resource: Text | None = None
    timeout_seconds: float = 10
    cache_ttl_seconds: float = 300


class PropelAuthProvider(RegisteringProvider):
    """Sends clients to PropelAuth, and accepts its tokens for this resource.

    Args:
        auth_url: e.g. ``https://auth.example.com``, from the page Backend Integration.
        introspection_client_id, introspection_client_secret: from the page MCP.
        base_url: public URL of this server, with any prefix it is mounted under.
        resource: what tokens must be for; default: the URL of the resource, which clients send to PropelAuth.
        required_scopes: scopes that every token needs.
        timeout_seconds: for one question.
        cache_ttl_seconds: how long an answer counts; a revocation is noticed that much later.
        options: see :class:`~vestibule.providers.remote.RemoteOptions`.

    Raises:
        ConfigurationError: something is missing here and in the environment, or cannot work.
    """

    def __init__(
        self,
        *,
        auth_url: str | AnyHttpUrl | None = None,
        introspection_client_id: str | None = None,
        introspection_client_secret: str | None = None,
        base_url: str | AnyHttpUrl | None = None,
        resource: str | AnyHttpUrl | None = None,
        required_scopes: Sequence[str] | None = None,
        timeout_seconds: float | None = None,
        cache_ttl_seconds: float | None = None,
        **options: Unpack[RemoteOptions],
    ) -> None:
        given = PropelAuthProviderSettings.filled(
            auth_url=auth_url,
            introspection_client_id=introspection_client_id,
            introspection_client_secret=introspection_client_secret,
            base_url=base_url,
            resource=resource,
            required_scopes=required_scopes,
            timeout_seconds=timeout_seconds,
            cache_ttl_seconds=cache_ttl_seconds,
            **options,
        )
        given.require("auth_url", "introspection_client_id", "introspection_client_secret", "base_url")
        issuer = public_url(given.value("auth_url"), "auth_url") + "/oauth/2.1"
        verifier = _PropelAuthVerifier(
            self.own_resources,
            introspection_url=f"{issuer}/introspect",
            client_id=given.value("introspection_client_id"),
            client_secret=given.value("introspection_client_secret"),
            audience=given.resource,
            timeout_seconds=given.timeout_seconds,
            cache_ttl_seconds=given.cache_ttl_seconds,
            **given.checking(),
        )
        super().__init__(given, issuer=issuer, verifier=verifier)


class _PropelAuthVerifier(IntrospectionTokenVerifier):
    """PropelAuth's tokens for resources whose URLs are known only later."""

    def __init__(self, resources: Callable[[], Sequence[str]], **arguments: Any) -> None:
        super().__init__(**arguments)
        self._resources = resources

    def accepted_audiences(self) -> Collection[str]:
        return super().accepted_audiences() or self._resources()
