"""Opaque tokens of providers without introspection: whose they are is asked at the userinfo endpoint.

Userinfo (OpenID Connect Core §5.3) answers for any token of the provider, also for one that was issued to another application.
So the application has to be checked, too, in the way that the provider offers.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from vestibule import reasons
from vestibule.clock import Clock, SystemClock
from vestibule.errors import ConfigurationError, TokenRejected
from vestibule.keys.jwt import check_times
from vestibule.net.exchange import FetchResult
from vestibule.net.trusted import TrustedClient
from vestibule.tokens import AccessToken
from vestibule.unsafe import Unchecked, any_audience
from vestibule.verifiers.answers import Answers, no_answer, read_answer
from vestibule.verifiers.base import TokenVerifier
from vestibule.verifiers.claims import access_token

if TYPE_CHECKING:
    import httpx2

__all__ = ["CheckApplication", "UserinfoTokenVerifier", "bearer_answer"]

_LEEWAY: Final = 30.0

CheckApplication = Callable[[TrustedClient, str], Awaitable[Mapping[str, Any]]]
"""Takes the HTTP client and the token, asks the provider which application the token was issued to, and returns what else it
learned as claims (``client_id``, ``scope``, ``exp``, …). Raises TokenRejected(TOKEN_AUDIENCE) for another application's token."""


class UserinfoTokenVerifier(TokenVerifier):
    """Accepts tokens that the provider knows the user and the right application of.

    Args:
        userinfo_url: the provider's endpoint, asked by GET with the token as bearer.
        check_application: checks which application the token was issued to, or :data:`vestibule.unsafe.any_audience` where that is
            certain without asking.
        subject_claim: the member that names the user; it becomes ``sub``.
        renamed: further members by the name that OpenID Connect has for them, e.g. ``{"picture": "avatar_url"}``.
        scopes: of every accepted token, if the provider tells none.
        required_scopes: scopes that every token needs; one that lacks some is answered 403.
        base_url: public URL of this server.
        timeout_seconds: for one question.
        cache_ttl_seconds: how long an answer counts, never beyond the token's end; 0 asks each time.
        max_cache_size: how many answers are kept.
        headers: further headers to send.
        http_client: asks instead of the shared client; whoever made it closes it.
        clock: the time.

    Raises:
        ConfigurationError: `check_application` is neither.
    """

    def __init__(
        self,
        *,
        userinfo_url: str,
        check_application: CheckApplication | Unchecked,
        subject_claim: str = "sub",
        renamed: Mapping[str, str] | None = None,
        scopes: Sequence[str] = (),
        required_scopes: Sequence[str] | None = None,
        base_url: object | None = None,
        timeout_seconds: float = 10,
        cache_ttl_seconds: float = 60,
        max_cache_size: int = 10_000,
        headers: Mapping[str, str] | None = None,
        http_client: httpx2.AsyncClient | None = None,
        clock: Clock | None = None,
    ) -> None:
        super().__init__(base_url=base_url, required_scopes=required_scopes)
        if isinstance(check_application, Unchecked) and check_application is not any_audience:
            raise ConfigurationError("check_application is a function, or any_audience from vestibule.unsafe.")
        self._url = str(userinfo_url)
        self._check_application = None if isinstance(check_application, Unchecked) else check_application
        self.knows_application = self._check_application is not None
        self._subject_claim = subject_claim
        self._renamed = dict(renamed or {})
        self._scopes = list(scopes)
        self._headers = dict(headers or {})
        self._clock = clock or SystemClock()
        self._http = TrustedClient(http_client, timeout=timeout_seconds, clock=self._clock)
        self._answers = Answers(self._clock, cache_ttl_seconds, max_cache_size)

    async def check_token(self, token: str) -> AccessToken:
        """Ask, or remember what was answered.

        Raises:
            TokenRejected: the provider says no, or the token is another application's.
            Unavailable: the provider says nothing that can be used.
        """
        claims = await self._answers.about(token, lambda: self._ask(token))
        return self.check_scopes(access_token(token, claims))

    async def _ask(self, token: str) -> dict[str, Any]:
        """What is known of the token, the application first: nothing is asked with a token that is not ours to use."""
        application = {} if self._check_application is None else dict(await self._check_application(self._http, token))
        userinfo = await bearer_answer(self._http, self._url, token, self._headers)
        standard = {name: userinfo[given] for name, given in self._renamed.items() if given in userinfo}
        claims = {"scope": " ".join(self._scopes)} | userinfo | standard | application | {"sub": self._subject(userinfo)}
        check_times(claims, self._clock.now(), _LEEWAY, require_exp=False)
        return claims

    def _subject(self, userinfo: Mapping[str, Any]) -> str:
        """The user's id. Some providers number their users."""
        subject = userinfo.get(self._subject_claim)
        if isinstance(subject, bool) or not isinstance(subject, str | int) or subject == "":
            raise TokenRejected(reasons.TOKEN_CLAIMS, f"userinfo has no {self._subject_claim}")
        return str(subject)


async def bearer_answer(
    http: TrustedClient, url: str, token: str, headers: Mapping[str, str] | None = None, *, refusals: Collection[int] = (401,)
) -> dict[str, Any]:
    """The JSON object that the provider answers to a bearer of `token`.

    Args:
        http: asks.
        url: the provider's endpoint.
        token: the bearer token.
        headers: further headers.
        refusals: the statuses by which this provider says that the token is over or unknown.

    Raises:
        TokenRejected: the provider does not accept the token.
        Unavailable: the provider says nothing that can be used.
    """
    result = await http.get(url, headers={**(headers or {}), "authorization": f"Bearer {token}"})
    _check_accepted(result, refusals)
    return read_answer(result)


def _check_accepted(result: FetchResult, refusals: Collection[int]) -> None:
    if result.status in refusals:
        raise TokenRejected(reasons.TOKEN_INACTIVE)
    if result.status == 403:
        # RFC 6750 §3.1: a challenge means the token. Without one it may be a limit on how often we may ask.
        if "www-authenticate" in result.headers:
            raise TokenRejected(reasons.TOKEN_NOT_ACCEPTED, "the provider's userinfo refuses the token")
        raise no_answer("userinfo: status 403")
