"""One exception tree.

::

    VestibuleError                        everything raised on purpose
    ├── ConfigurationError (ValueError)   the operator must change something before it can run
    ├── Refusal                           a request is answered "no", and will be until something changes
    │   ├── OAuthError                    with an OAuth error code and status (RFC 6749 §5.2, §4.1.2.1)
    │   └── TokenRejected                 a bearer token is not accepted (RFC 6750 §3.1)
    ├── Unavailable                       nothing is wrong with the request: 503 and Retry-After
    └── UpstreamRefused                   the identity provider said no
        ├── SignInRefused                 ... or rather we: the account may not use this server
        └── UpstreamMisconfigured         ... to this server's own credentials: an operator's matter

Every one carries a :class:`~vestibule.reasons.Reason` (public) and a ``detail`` (for the log, never for the client). Neither may
hold a token, code, secret or cookie.
"""

from __future__ import annotations

from collections.abc import Mapping

from vestibule import reasons
from vestibule.reasons import Reason

__all__ = [
    "ConfigurationError",
    "OAuthError",
    "Refusal",
    "SignInRefused",
    "TokenRejected",
    "Unavailable",
    "UpstreamMisconfigured",
    "UpstreamRefused",
    "VestibuleError",
]


class VestibuleError(Exception):
    """Base of everything raised on purpose.

    Args:
        reason: the public reason, from the one list.
        detail: what the log should say beside it; no secrets.
    """

    def __init__(self, reason: Reason, detail: str = "") -> None:
        super().__init__(f"{reason.code}: {detail or reason.text}")
        self.reason = reason
        self.detail = detail


class ConfigurationError(VestibuleError, ValueError):
    """The configuration cannot work. The message names the parameter and what to do."""

    def __init__(self, message: str) -> None:
        super().__init__(reasons.CONFIGURATION, message)

    def __str__(self) -> str:
        return self.detail


class Refusal(VestibuleError):
    """A request is refused; trying again unchanged will not help."""


class OAuthError(Refusal):
    """A refusal with an OAuth error code.

    Args:
        error: the registered error code, e.g. ``invalid_grant`` (RFC 6749 §5.2, RFC 7591 §3.2.2, RFC 8707 §2).
        reason: why.
        detail: for the log.
        status: HTTP status of a direct answer.
        headers: further headers of a direct answer.
    """

    def __init__(
        self, error: str, reason: Reason, detail: str = "", *, status: int = 400, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(reason, detail)
        self.error = error
        self.status = status
        self.headers = dict(headers or {})


class TokenRejected(Refusal):
    """A bearer token is not accepted."""


class Unavailable(VestibuleError):
    """Store or provider do not answer. Nothing is lost; the same request may succeed later.

    Args:
        retry_after: seconds after which another try makes sense.
    """

    def __init__(self, reason: Reason, detail: str = "", *, retry_after: int = 5) -> None:
        super().__init__(reason, detail)
        self.retry_after = retry_after


class UpstreamRefused(VestibuleError):
    """The identity provider refused for good, e.g. a dead refresh token (``error`` is its OAuth error code)."""

    def __init__(self, reason: Reason, detail: str = "", *, error: str = "") -> None:
        super().__init__(reason, detail)
        self.error = error


class SignInRefused(UpstreamRefused):
    """The account that signed in may not use this server.

    Args:
        account: what its owner knows it by, e.g. an e-mail address: shown to them, not logged.
        subject: its ``sub``, for the event.
    """

    def __init__(self, account: str, detail: str = "", *, subject: str = "") -> None:
        super().__init__(reasons.SIGN_IN_REFUSED, detail)
        self.account = account
        self.subject = subject


class UpstreamMisconfigured(UpstreamRefused):
    """The identity provider refuses this server's own credentials or request. Never the user's or the client's fault."""
