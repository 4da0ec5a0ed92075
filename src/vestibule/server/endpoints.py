"""The endpoints of the authorization server: their paths, and all their routes."""

from __future__ import annotations

from typing import Final

from starlette.routing import BaseRoute

from vestibule.server import admin, authorize, callback, connections, consent, health, metadata, register, revoke, token
from vestibule.server.hall import Hall
from vestibule.server.health import Readiness
from vestibule.server.login import LoginCookies
from vestibule.server.page_session import PageSessions
from vestibule.server.page_sign_in import arrivals
from vestibule.server.remember import ConsentMemory

__all__ = ["PATHS", "routes"]

PATHS: Final = (
    *("/", "/authorize", "/consent", "/token", "/register", "/revoke", "/introspect"),
    *("/connections", admin.ADMIN_PATH, *health.HEALTH_PATHS),
)
"""All but the callback's, which the operator chooses, and those of the metadata."""


def routes(hall: Hall, *, readiness: Readiness | None, admin_token: str | None) -> list[BaseRoute]:
    """The endpoints and every place of the metadata.

    Args:
        hall: what they share.
        readiness: what the health endpoints tell; None: without them.
        admin_token: opens the API of sessions; None: without it.
    """
    cookies = LoginCookies(hall.sealer, issuer=hall.issuer, secure=hall.is_secure, life=hall.lifetimes.login)
    memory = ConsentMemory(hall.sealer, issuer=hall.issuer, secure=hall.is_secure, enabled=hall.consent_mode == "remember")
    sessions = PageSessions(hall) if hall.connections_page else None
    return [
        *metadata.routes(hall),
        *register.routes(hall),
        *authorize.routes(hall, cookies),
        *consent.routes(hall, cookies, memory),
        *callback.routes(hall, cookies, arrivals(hall, sessions) if sessions else None),
        *(connections.routes(hall, sessions) if sessions else ()),
        *token.routes(hall),
        *revoke.routes(hall),
        *(health.routes(readiness) if readiness is not None else ()),
        *(admin.routes(hall, admin_token) if admin_token is not None else ()),
    ]
