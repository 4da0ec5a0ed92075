"""How a scripted client says that a step did not work."""

from __future__ import annotations

__all__ = ["CallRefused", "StepFailed"]


class StepFailed(AssertionError):
    """The server answered a step with an error.

    Attributes:
        step: which.
        status: HTTP status; 0 where the error came with a redirect.
        error: the OAuth error code, if there was one.
    """

    def __init__(self, step: str, status: int, error: str) -> None:
        super().__init__(f"{step}: HTTP {status} {error}")
        self.step = step
        self.status = status
        self.error = error


class CallRefused(StepFailed):
    """The resource did not accept a call.

    Attributes:
        challenge: the ``WWW-Authenticate`` header.
    """

    def __init__(self, status: int, challenge: str) -> None:
        super().__init__("call", status, challenge)
        self.challenge = challenge
