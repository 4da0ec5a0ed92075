"""What happened, as structured events without secrets.

Subscribe to feed an audit log or metrics::

    from vestibule import events

    events.subscribe(lambda event: audit.write(event.as_dict()))

Every event is also a log line of the logger ``vestibule.events``.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Final, Literal

__all__ = ["Event", "EventName", "emit", "subscribe"]

EventName = Literal[
    "login_started",  # a valid authorization request came in
    "consented",  # the user allowed it
    "refused",  # a login, registration or token request was refused
    "signed_in",  # the provider's answer was accepted; a grant exists
    "page_opened",  # a user signed in to the page of their connected apps
    "issued",  # a code was redeemed
    "refreshed",  # a refresh token was rotated
    "reused",  # a spent code or refresh token came back
    "revoked",  # a grant was ended
    "rejected",  # a request to the resource was refused
    "upstream_refreshed",  # the provider's tokens were renewed
    "operator",  # something only the operator can mend
]

_log = logging.getLogger("vestibule.events")


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One event. Ids only: no token, code, secret or cookie.

    Attributes:
        name: what happened.
        request_id: the id that the answer and the log carry too.
        reason: code from :mod:`vestibule.reasons`, where something was refused.
        client_id: the MCP client; dynamic ids are shortened.
        subject: the user.
        grant_id: the session.
        detail: for people.
    """

    name: EventName
    request_id: str = ""
    reason: str = ""
    client_id: str = ""
    subject: str = ""
    grant_id: str = ""
    detail: str = ""

    def as_dict(self) -> dict[str, str]:
        """The fields that are set."""
        return {key: value for key, value in asdict(self).items() if value}


_subscribers: Final[list[Callable[[Event], object]]] = []


def subscribe(handler: Callable[[Event], object]) -> Callable[[], None]:
    """Call `handler` with every event, in the event loop: it must be quick.

    Returns:
        A function that ends the subscription.
    """
    _subscribers.append(handler)
    return lambda: _subscribers.remove(handler)


def emit(event: Event) -> None:
    """Publish an event. A failing subscriber is logged and never disturbs the request."""
    level = logging.WARNING if event.name in ("reused", "operator") else logging.INFO
    if _log.isEnabledFor(level):
        _log.log(level, " ".join(f"{key}={value!r}" for key, value in event.as_dict().items()))
    for handler in tuple(_subscribers):
        try:
            handler(event)
        except Exception:
            _log.exception("an event subscriber failed")
