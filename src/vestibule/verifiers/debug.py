"""Tokens that a function of the operator's own decides on."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Sequence
from inspect import isawaitable

from vestibule import reasons
from vestibule.errors import TokenRejected, Unavailable
from vestibule.tokens import AccessToken
from vestibule.verifiers.base import TokenVerifier

__all__ = ["DebugTokenVerifier"]

_log = logging.getLogger("vestibule.verifiers")


class DebugTokenVerifier(TokenVerifier):
    """Accepts what a function accepts, and looks at nothing else.

    Args:
        validate: takes a token, says whether it is good; may be asynchronous. There is no default: to accept everything has to be
            written down.
        client_id: of every accepted token.
        scopes: of every accepted token.
        required_scopes: scopes that every token needs.
        base_url: public URL of this server.
    """

    def __init__(
        self,
        validate: Callable[[str], bool | Awaitable[bool]],
        client_id: str = "debug-client",
        scopes: Sequence[str] | None = None,
        required_scopes: Sequence[str] | None = None,
        base_url: object | None = None,
    ) -> None:
        super().__init__(base_url=base_url, required_scopes=required_scopes)
        self._validate = validate
        self._client_id = client_id
        self._scopes = list(scopes or ())

    async def check_token(self, token: str) -> AccessToken:
        """Ask the function.

        Raises:
            TokenRejected: it says no, or fails, or the token is blank.
            Unavailable: the function raises it.
        """
        if not token.strip() or not await self._is_valid(token):
            raise TokenRejected(reasons.TOKEN_NOT_ACCEPTED)
        return self.check_scopes(AccessToken(token=token, client_id=self._client_id, scopes=list(self._scopes)))

    async def _is_valid(self, token: str) -> bool:
        try:
            answer = self._validate(token)
            return bool(await answer if isawaitable(answer) else answer)
        except Unavailable:
            raise
        except Exception as error:
            # Without its text, which could hold the token.
            _log.warning("the validate function failed: %s", type(error).__name__)
            return False
