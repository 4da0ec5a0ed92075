"""The trusted way out of this server, for what the operator configured; for what clients and documents name there is
:mod:`vestibule.net.fetch`.

Both follow no redirect, keep no cookie, and end a fetch that is too large or takes too long, whatever its parts do.
"""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING
from urllib.parse import quote_plus, urlencode

from vestibule import reasons
from vestibule.clock import Clock, SystemClock
from vestibule.condition import Condition
from vestibule.errors import Unavailable
from vestibule.net.client import trusted_client
from vestibule.net.exchange import FetchFailed, FetchResult, Limits
from vestibule.protocol.uris import parse_uri

if TYPE_CHECKING:
    import httpx2

__all__ = ["TrustedClient"]


class TrustedClient:
    """Talks to hosts that the operator configured: http and internal addresses are theirs to choose.

    Args:
        client: instead of the shared one; whoever made it closes it.
        timeout: seconds for a whole exchange.
        max_bytes: of an answer.
        clock: the time.

    Attributes:
        condition: whether whoever is asked answers; an error of theirs is no answer.
    """

    def __init__(
        self,
        client: httpx2.AsyncClient | None = None,
        *,
        timeout: float = 10.0,
        max_bytes: int = 1024 * 1024,
        clock: Clock | None = None,
    ) -> None:
        self._client = client
        self._timeout = timeout
        self._max_bytes = max_bytes
        self._clock = clock or SystemClock()
        self.condition = Condition()

    async def get(
        self,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        max_bytes: int | None = None,
        timeout: float | None = None,  # noqa: ASYNC109
        accept: str = "application/json",
    ) -> FetchResult:
        """GET, with the answer whatever its status.

        Raises:
            Unavailable: no answer, or one that is too large or too slow.
        """
        return await self._exchange("GET", url, {"accept": accept, **(headers or {})}, None, max_bytes, timeout)

    async def post_form(
        self,
        url: str,
        data: Mapping[str, str | Sequence[str]],
        *,
        headers: Mapping[str, str] | None = None,
        auth: tuple[str, str] | None = None,
        timeout: float | None = None,  # noqa: ASYNC109
    ) -> FetchResult:
        """POST a form, with the answer whatever its status.

        Args:
            url: where to.
            data: the parameters; a sequence of values repeats one.
            headers: further headers.
            auth: client id and secret for HTTP Basic, encoded as RFC 6749 §2.3.1 wants it.
            timeout: seconds, if not the usual ones.

        Raises:
            Unavailable: no answer, or one that is too large or too slow.
        """
        sent = {"accept": "application/json", "content-type": "application/x-www-form-urlencoded", **(headers or {})}
        if auth is not None:
            sent["authorization"] = _basic(*auth)
        return await self._exchange("POST", url, sent, urlencode(data, doseq=True).encode("ascii"), None, timeout)

    async def send_json(
        self,
        method: str,
        url: str,
        data: Mapping[str, object],
        *,
        headers: Mapping[str, str] | None = None,
        auth: tuple[str, str] | None = None,
    ) -> FetchResult:
        """Send a JSON object, with the answer whatever its status. For providers whose own API wants it so.

        Args:
            method: POST or DELETE.
            url: where to.
            data: the object.
            headers: further headers.
            auth: as in :meth:`post_form`.

        Raises:
            Unavailable: no answer, or one that is too large or too slow.
        """
        sent = {"accept": "application/json", "content-type": "application/json", **(headers or {})}
        if auth is not None:
            sent["authorization"] = _basic(*auth)
        return await self._exchange(method, url, sent, json.dumps(data).encode("ascii"), None, None)

    async def _exchange(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        content: bytes | None,
        max_bytes: int | None,
        seconds: float | None,
    ) -> FetchResult:
        limits = Limits(self._clock, max_bytes or self._max_bytes, seconds or self._timeout)
        client = self._client or trusted_client()
        try:
            async with asyncio.timeout(limits.seconds):
                request = client.build_request(method, url, headers=headers, content=content, timeout=limits.seconds)
                response = await client.send(request, stream=True, follow_redirects=False)
                try:
                    result = FetchResult(response.status_code, response.headers, await limits.read(response))
                finally:
                    await response.aclose()
        except Exception as error:
            self.condition.fails(self._clock.now(), reasons.UPSTREAM_UNAVAILABLE)
            # An operator's own client may be of another HTTP library of this family, with errors of its own.
            detail = error.detail if isinstance(error, FetchFailed) else type(error).__name__
            raise Unavailable(reasons.UPSTREAM_UNAVAILABLE, f"{_host(url)}: {detail}") from error
        if result.status < 500:
            self.condition.works(self._clock.now())
        else:
            self.condition.fails(self._clock.now(), reasons.UPSTREAM_UNAVAILABLE)
        return result


def _basic(client_id: str, client_secret: str) -> str:
    credentials = f"{quote_plus(client_id)}:{quote_plus(client_secret)}"
    return f"Basic {base64.b64encode(credentials.encode('ascii')).decode('ascii')}"


def _host(url: str) -> str:
    uri = parse_uri(url)
    return uri.host if uri else "?"
