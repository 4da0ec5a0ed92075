"""Access tokens of WorkOS Connect, which only WorkOS can read."""

from __future__ import annotations

from collections.abc import Sequence

import httpx2

from vestibule.clock import Clock
from vestibule.errors import ConfigurationError
from vestibule.proxy.build import public_url
from vestibule.unsafe import any_audience
from vestibule.verifiers.application import by_introspection
from vestibule.verifiers.userinfo import UserinfoTokenVerifier

__all__ = ["WorkOSTokenVerifier", "authkit_url"]


def authkit_url(domain: str) -> str:
    """The AuthKit domain as a URL, which is its issuer: ``https://`` is put before a bare name.

    Raises:
        ConfigurationError: it is none.
    """
    return public_url(domain if "://" in domain else f"https://{domain}", "authkit_domain")


class WorkOSTokenVerifier(UserinfoTokenVerifier):
    """Accepts tokens that WorkOS knows the user of.

    Userinfo answers for tokens of every application of the same AuthKit domain. Behind :class:`WorkOSProvider` that does no harm, as its
    tokens come straight from WorkOS for a code of ours. For tokens that clients present, give the application's id and secret: then the
    application is asked for too, and another one's token is refused.

    Args:
        authkit_domain: e.g. ``your-app.authkit.app``.
        required_scopes: scopes that every token needs; one that lacks some is answered 403.
        timeout_seconds: for one question.
        client_id, client_secret: of the application whose tokens are accepted.
        base_url: public URL of this server.
        cache_ttl_seconds: how long an answer counts; 0 asks each time.
        http_client: asks instead of the shared client; whoever made it closes it.
        clock: the time.

    Raises:
        ConfigurationError: something is missing or cannot work.
    """

    def __init__(
        self,
        *,
        authkit_domain: str,
        required_scopes: Sequence[str] | None = None,
        timeout_seconds: float = 10,
        client_id: str | None = None,
        client_secret: str | None = None,
        base_url: object | None = None,
        cache_ttl_seconds: float = 60,
        http_client: httpx2.AsyncClient | None = None,
        clock: Clock | None = None,
    ) -> None:
        if bool(client_id) != bool(client_secret):
            raise ConfigurationError("WorkOSTokenVerifier needs client_id and client_secret together, or neither.")
        self.authkit_url = authkit_url(authkit_domain)
        self.knows_application = bool(client_id)
        super().__init__(
            userinfo_url=f"{self.authkit_url}/oauth2/userinfo",
            check_application=any_audience
            if client_id is None
            else by_introspection(f"{self.authkit_url}/oauth2/introspection", client_id, client_secret, in_body=True),
            required_scopes=required_scopes,
            base_url=base_url,
            timeout_seconds=timeout_seconds,
            cache_ttl_seconds=cache_ttl_seconds,
            http_client=http_client,
            clock=clock,
        )
