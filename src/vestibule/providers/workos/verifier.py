"""Access tokens of WorkOS Connect, which only WorkOS can read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import httpx2

from vestibule import reasons
from vestibule.clock import Clock
from vestibule.errors import ConfigurationError, TokenRejected
from vestibule.net.fetch import TrustedClient
from vestibule.proxy.build import public_url
from vestibule.unsafe import any_audience
from vestibule.verifiers.answers import credentials_refused, read_answer
from vestibule.verifiers.userinfo import CheckApplication, UserinfoTokenVerifier

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
            check_application=_application(self.authkit_url, client_id, client_secret) if client_id else any_audience,
            required_scopes=required_scopes,
            base_url=base_url,
            timeout_seconds=timeout_seconds,
            cache_ttl_seconds=cache_ttl_seconds,
            http_client=http_client,
            clock=clock,
        )


def _application(url: str, client_id: str, client_secret: str | None) -> CheckApplication:
    """Asks WorkOS which application a token was issued to (RFC 7662)."""

    async def check(http: TrustedClient, token: str) -> Mapping[str, Any]:
        form = {"token": token, "client_id": client_id, "client_secret": client_secret or ""}
        answer = await http.post_form(f"{url}/oauth2/introspection", form)
        if answer.status in (401, 403):
            raise credentials_refused(f"WorkOS introspection: status {answer.status}")
        claims = read_answer(answer)
        if claims.get("active") is not True:
            raise TokenRejected(reasons.TOKEN_INACTIVE)
        if claims.get("client_id") != client_id:
            raise TokenRejected(reasons.TOKEN_AUDIENCE, "the token was issued to another application")
        return claims

    return check
