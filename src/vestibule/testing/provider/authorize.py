"""The development provider's authorization endpoint and its login page (RFC 6749 §4.1.1, OIDC Core §3.1.2)."""

from __future__ import annotations

from functools import cache
from urllib.parse import urlencode

from jinja2 import Environment, Template
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from vestibule import reasons
from vestibule.errors import OAuthError
from vestibule.protocol.parameters import Parameters
from vestibule.protocol.pkce import is_challenge
from vestibule.protocol.scopes import parse_scope
from vestibule.testing.provider.model import Authorization
from vestibule.testing.provider.world import World, fault_error

__all__ = ["authorize"]

_COOKIE = "development-provider-session"

_PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>Sign in (development)</title>
<style>
  :root { color-scheme: light dark; font: 1rem/1.5 system-ui, sans-serif }
  main { max-width: 26rem; margin: 10vh auto; padding: 0 1rem }
  button { display: block; width: 100%; margin: .5rem 0; padding: .75rem; font: inherit; text-align: start }
</style>
<main>
<h1>Who are you?</h1>
<p>This identity provider is for development. It believes what you choose, for <strong>{{ client_id }}</strong>.</p>
<form method="post" action="">
{% for name, claims in users.items() %}
<button type="submit" name="user" value="{{ name }}"><strong>{{ name }}</strong> {{ claims.get("email", "") }}</button>
{% endfor %}
<button type="submit" name="action" value="deny">Cancel</button>
</form>
</main>
</html>
"""


async def authorize(world: World, request: Request, parameters: Parameters) -> Response:
    """GET shows the login page or answers for a user who is signed in; POST is the login page's form."""
    redirect_uri = _read_redirect_uri(world, parameters)
    try:
        user = _user(world, request, parameters)
        if user is None:
            return HTMLResponse(_page().render(users=world.users, client_id=parameters.get("client_id")))
        code = world.memory.new_code(_authorization(world, parameters, redirect_uri, user), world.clock.now())
    except OAuthError as error:
        return _back(world, parameters, redirect_uri, error=error.error, error_description=error.detail)
    response = _back(world, parameters, redirect_uri, code=code)
    response.set_cookie(_COOKIE, world.memory.new_session(user), httponly=True, samesite="lax", path="/")
    return response


def _read_redirect_uri(world: World, parameters: Parameters) -> str:
    """Client and redirect URI come first: as long as they are not known to be right, nothing may be sent there (RFC 6749 §4.1.2.1)."""
    client = world.clients.get(parameters.require("client_id"))
    if client is None:
        raise OAuthError("invalid_client", reasons.CLIENT_UNKNOWN, "unknown client_id")
    redirect_uri = parameters.require("redirect_uri")
    if not client.admits(redirect_uri):
        raise OAuthError("invalid_request", reasons.REDIRECT_URI_MISMATCH, "redirect_uri is not set up for this client")
    return redirect_uri


def _user(world: World, request: Request, parameters: Parameters) -> str | None:
    """Who sits there, or None where the login page has to ask."""
    error = fault_error(world, "authorize")
    if error is not None:
        raise error
    _check_request(world, parameters)
    user = _chosen(world, parameters) if request.method == "POST" else _signed_in(world, request, parameters)
    if user is None and parameters.get("prompt") == "none":
        raise OAuthError("login_required", reasons.PARAMETER_INVALID, "nobody is signed in")
    if user is not None and world.faults.is_disabled(user):
        raise OAuthError("access_denied", reasons.SIGN_IN_REFUSED, "the account is disabled")
    return user


def _check_request(world: World, parameters: Parameters) -> None:
    if parameters.get("response_type") != "code":
        raise OAuthError("unsupported_response_type", reasons.RESPONSE_TYPE)
    if world.require_nonce and parameters.get("nonce") is None:
        raise OAuthError("invalid_request", reasons.PARAMETER_MISSING, "nonce is required")
    challenge = parameters.get("code_challenge")
    if challenge is None and world.require_pkce:
        raise OAuthError("invalid_request", reasons.PKCE_REQUIRED, "code_challenge is required")
    if challenge is not None and (parameters.get("code_challenge_method") != "S256" or not is_challenge(challenge)):
        raise OAuthError("invalid_request", reasons.PKCE_REQUIRED, "code_challenge is not one of S256")


def _chosen(world: World, parameters: Parameters) -> str:
    user = parameters.get("user")
    if user not in world.users:
        raise OAuthError("access_denied", reasons.CONSENT_DENIED, "the user cancelled")
    return str(user)


def _signed_in(world: World, request: Request, parameters: Parameters) -> str | None:
    """The session of this browser sticks, as at real providers, until ``prompt`` asks otherwise (OIDC Core §3.1.2.1)."""
    prompts = (parameters.get("prompt") or "").split()
    session = world.memory.sessions.get(request.cookies.get(_COOKIE, ""))
    if session is not None and not {"login", "select_account"} & set(prompts):
        return session
    return None if "none" in prompts else world.auto_approve_as


def _authorization(world: World, parameters: Parameters, redirect_uri: str, user: str) -> Authorization:
    return Authorization(
        user=user,
        client_id=parameters.require("client_id"),
        scopes=parse_scope(parameters.get("scope")),
        audience=parameters.get("resource") or parameters.get("audience") or world.base_url,
        redirect_uri=redirect_uri,
        nonce=parameters.get("nonce"),
        challenge=parameters.get("code_challenge"),
        signed_in_at=world.clock.now(),
    )


def _back(world: World, parameters: Parameters, redirect_uri: str, **answer: str) -> RedirectResponse:
    members = {**answer, "state": parameters.get("state") or "", "iss": world.base_url}
    query = urlencode({name: value for name, value in members.items() if value})
    return RedirectResponse(f"{redirect_uri}{'&' if '?' in redirect_uri else '?'}{query}", status_code=303)


@cache
def _page() -> Template:
    return Environment(autoescape=True).from_string(_PAGE)
