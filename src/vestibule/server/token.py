"""``POST /token``: codes and refresh tokens (RFC 6749 §4.1.3, §6)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from vestibule import reasons
from vestibule.clients.model import Client
from vestibule.errors import OAuthError, Unavailable, UpstreamRefused
from vestibule.events import Event, EventName, emit
from vestibule.grants.code import CodeReplayed, Redemption, redeem
from vestibule.grants.last_use import with_use
from vestibule.grants.model import Grant
from vestibule.grants.refresh import Presented, RefreshReused, check_refresh, presented_key, rotate
from vestibule.grants.tokens import CodeToken, RefreshToken
from vestibule.net.cache import TTLCache
from vestibule.protocol.parameters import Parameters
from vestibule.protocol.scopes import format_scope, parse_scope
from vestibule.resource.peer import current_request
from vestibule.server.hall import Hall
from vestibule.server.http import NO_STORE, authorization_headers, cors, json_endpoint, json_response, read_form, request_id
from vestibule.server.route import EndpointRoute

__all__ = ["routes"]

Unanswered = TTLCache[str, float]
"""When refresh tokens came that could not be answered, by digest. The store may have rotated one before it failed, and a client that goes
on trying must not be taken for a thief when it answers again."""

_Grant = Callable[[Hall, Client, Parameters], Awaitable[Response]]

_MAX_UNANSWERED: Final = 10_000
_UNANSWERED_SECONDS: Final = 3600  # since the last try


def routes(hall: Hall) -> list[BaseRoute]:
    """The token endpoint."""
    unanswered = Unanswered(_MAX_UNANSWERED, hall.clock)

    async def token(request: Request) -> Response:
        current_request.set(request.scope)
        form = await read_form(request)
        form.check_no_repeats()
        grant_type = form.require("grant_type")
        grants: dict[str, _Grant] = {
            "authorization_code": _authorization_code,
            "refresh_token": partial(_refresh_token, unanswered),
        }
        if grant_type not in grants:
            raise OAuthError("unsupported_grant_type", reasons.GRANT_TYPE_UNSUPPORTED)
        client = await hall.authenticator.authenticate(
            form, authorization_headers(request), leads_nowhere=not _holds_a_token_of_ours(hall, form)
        )
        _client_may_use(client, grant_type)
        return await grants[grant_type](hall, client, form)

    return [EndpointRoute("/token", cors(json_endpoint(token), "POST"), methods=["POST", "OPTIONS"])]


def _holds_a_token_of_ours(hall: Hall, form: Parameters) -> bool:
    """Told by its tag, without the store. Whoever has one has signed in before."""
    code, refresh_token = form.get("code"), form.get("refresh_token")
    return bool(
        (code and CodeToken.read(hall.keyring, code)) or (refresh_token and RefreshToken.read(hall.keyring, refresh_token))
    )


def _client_may_use(client: Client, grant_type: str) -> None:
    """RFC 6749 §5.2."""
    if not client.allows_grant(grant_type):
        raise OAuthError("unauthorized_client", reasons.GRANT_TYPE_NOT_REGISTERED)


async def _authorization_code(hall: Hall, client: Client, form: Parameters) -> Response:
    code = CodeToken.read(hall.keyring, form.require("code"))
    if code is None:
        raise OAuthError("invalid_grant", reasons.CODE_INVALID)
    presented = Redemption(
        code=code,
        client_id=client.client_id,
        verifier=form.require("code_verifier"),
        redirect_uri=form.get("redirect_uri"),
        resources=_resources(form),
    )
    refresh = RefreshToken.first(hall.keyring, code.grant_id) if client.allows_grant("refresh_token") else None
    now, life = hall.clock.now(), hall.refresh_rules.life
    try:
        grant = await hall.grants.change(
            code.grant_id, lambda grant: with_use(redeem(grant, presented, now=now, refresh=refresh, life=life), hall.clock)
        )
    except CodeReplayed as replay:
        await _end_for(hall, code.grant_id, replay, ends=not replay.harmless)
        raise
    if grant is None:
        raise OAuthError("invalid_grant", reasons.CODE_EXPIRED)
    _emit(hall, "issued", grant)
    return _answer(hall, grant, grant.scopes, refresh)


async def _refresh_token(unanswered: Unanswered, hall: Hall, client: Client, form: Parameters) -> Response:
    token = RefreshToken.read(hall.keyring, form.require("refresh_token"))
    if token is None:
        raise OAuthError("invalid_grant", reasons.REFRESH_INVALID)
    now = hall.clock.now()
    presented = Presented(
        token=token,
        client_id=client.client_id,
        scopes=parse_scope(form.get("scope")),
        resources=_resources(form),
        came_at=now,
        asked_at=unanswered.get(token.digest) or now,
    )
    try:
        await _renew_upstream(hall, presented)
        grant = await hall.grants.change(
            token.grant_id,
            lambda grant: with_use(rotate(grant, presented, hall.refresh_rules, hall.keyring, hall.clock.now()), hall.clock),
        )
    except RefreshReused as reuse:
        await _end_for(hall, token.grant_id, reuse, ends=True)
        raise
    except Unavailable:
        unanswered.put(token.digest, presented.asked_at, _UNANSWERED_SECONDS)
        raise
    unanswered.discard(token.digest)
    if grant is None or grant.rotation is None:
        raise OAuthError("invalid_grant", reasons.GRANT_UNKNOWN)
    await hall.listing.keep(grant)
    _emit(hall, "refreshed", grant)
    # Made with the key that the record names, also where another has taken over since: what is retired later goes by the record.
    successor = token.successor(hall.keyring, grant.rotation.salt, grant.rotation.ring_key)
    return _answer(hall, grant, presented.scopes or grant.scopes, successor)


async def _renew_upstream(hall: Hall, presented: Presented) -> None:
    """Before anything is rotated, make sure that the provider still stands behind the session."""
    grant = await hall.grants.load(presented.token.grant_id)
    if grant is None:
        raise OAuthError("invalid_grant", reasons.GRANT_UNKNOWN)
    check_refresh(grant, presented, hall.refresh_rules, hall.clock.now())
    opened = grant.unlocked(presented_key(grant, presented.token))
    if opened is None or opened.lacks_its_key:
        raise OAuthError("invalid_grant", reasons.GRANT_UNKNOWN, "its data key does not open the provider's tokens")
    try:
        await hall.renewal.renewed(opened)
    except UpstreamRefused as refusal:
        # Its own credentials being refused is the operator's matter and keeps its type; the rest ended the session.
        if type(refusal) is not UpstreamRefused:
            raise
        raise OAuthError("invalid_grant", refusal.reason, refusal.detail) from refusal


def _resources(form: Parameters) -> tuple[str, ...]:
    return tuple(value for value in form.all("resource") if value)


async def _end_for(hall: Hall, grant_id: str, error: OAuthError, *, ends: bool) -> None:
    """A token that was used before came back: end what it gave, unless it was only an impatient client."""
    emit(
        Event(
            name="reused",
            request_id=request_id.get(),
            reason=error.reason.code,
            grant_id=grant_id,
            detail="ended" if ends else "harmless",
        )
    )
    if ends:
        await hall.grants.end(grant_id, error.reason)


def _emit(hall: Hall, name: EventName, grant: Grant) -> None:
    emit(
        Event(name=name, request_id=request_id.get(), client_id=grant.client_id[:24], subject=grant.subject, grant_id=grant.id)
    )


def _answer(hall: Hall, grant: Grant, scopes: tuple[str, ...], refresh: RefreshToken | None) -> Response:
    """RFC 6749 §5.1; ``expires_in`` and ``scope`` always, because clients miss them otherwise."""
    token, expires_in = hall.access_tokens.mint(grant, scopes)
    content: dict[str, Any] = {
        "access_token": token,
        "token_type": "Bearer",
        "expires_in": expires_in,
        "scope": format_scope(scopes),
    }
    if refresh is not None:
        content["refresh_token"] = refresh.text
    return json_response(content, headers=NO_STORE)
