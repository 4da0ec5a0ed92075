"""Every reason for which Vestibule says no.

One list, so that a code in a log line, an event, a challenge or an error page always means the same thing and can be looked
up in one place (``docs/reference/reasons.md`` is generated from here). Codes are stable: they are never renamed or reused.

A reason's text and remedy are written for whoever meets them and never carry a value from the request.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

__all__ = ["REASONS", "Reason"]


@dataclass(frozen=True, slots=True)
class Reason:
    """Why something was refused.

    Attributes:
        code: stable identifier, ``snake_case``.
        text: one sentence that may be shown to anyone.
        remedy: what to do about it, one sentence.
    """

    code: str
    text: str
    remedy: str


REASONS: Final[dict[str, Reason]] = {}


def _reason(code: str, text: str, remedy: str) -> Reason:
    if code in REASONS:
        raise ValueError(f"reason {code} is declared twice")
    reason = REASONS[code] = Reason(code, text, remedy)
    return reason


# --- bearer tokens at the resource --------------------------------------------------------------------------------------------
TOKEN_MISSING = _reason(
    "token_missing", "This endpoint needs an access token.", "Sign in; the challenge names the metadata to start from."
)
TOKEN_MALFORMED = _reason(
    "token_malformed",
    "The Authorization header is not a bearer token.",
    "Send exactly one 'Authorization: Bearer <token>' header.",
)
TOKEN_NOT_ACCEPTED = _reason("token_not_accepted", "The access token is not accepted here.", "Sign in again.")
TOKEN_OPAQUE = _reason(
    "token_opaque",
    "The token is opaque where a signed JWT was expected.",
    "Ask the provider for a JWT (often: name an API audience), or check it by introspection.",
)
TOKEN_TOO_LARGE = _reason(
    "token_too_large", "The token is larger than any token of ours.", "Send the access token that the token endpoint returned."
)
TOKEN_ALGORITHM = _reason(
    "token_algorithm",
    "The token is signed with an algorithm that is not allowed.",
    "Configure the algorithm the provider uses, or fix the provider.",
)
TOKEN_KEY_UNKNOWN = _reason(
    "token_key_unknown",
    "No published key fits the token.",
    "Check that issuer and key set belong together; sign in again after a key change.",
)
TOKEN_SIGNATURE = _reason("token_signature", "The token's signature does not verify.", "Sign in again.")
TOKEN_TYPE = _reason(
    "token_type", "This is a token of another kind.", "Send the access token, not an ID token, code or refresh token."
)
TOKEN_CRITICAL = _reason(
    "token_critical", "The token has a critical header that is not understood.", "Issue tokens without 'crit' extensions."
)
TOKEN_CLAIMS = _reason(
    "token_claims", "The token's claims are missing or malformed.", "Issue tokens with the claims of RFC 9068."
)
TOKEN_EXPIRED = _reason("token_expired", "The token has expired.", "Refresh it, or sign in again.")
TOKEN_NOT_YET_VALID = _reason("token_not_yet_valid", "The token is not valid yet.", "Check the clocks of both machines.")
TOKEN_ISSUER = _reason(
    "token_issuer", "The token comes from another issuer.", "Sign in at the authorization server that the metadata names."
)
TOKEN_AUDIENCE = _reason(
    "token_audience", "The token was issued for another audience.", "Ask for a token with this server's resource URL."
)
TOKEN_INACTIVE = _reason("token_inactive", "The provider says that the token is not active.", "Sign in again.")
SCOPE_MISSING = _reason(
    "scope_missing", "The token lacks a scope that this needs.", "Sign in again with the scopes that the challenge names."
)
ORIGIN_NOT_ALLOWED = _reason(
    "origin_not_allowed", "Requests from this web origin are not allowed.", "Add the origin to allowed_origins."
)
HOST_NOT_ALLOWED = _reason(
    "host_not_allowed",
    "The request names a host that this server does not serve.",
    "Use the public URL, or add the host to allowed_hosts.",
)
BODY_TOO_LARGE = _reason("body_too_large", "The request body is too large.", "Send less.")
BODY_UNREADABLE = _reason(
    "body_unreadable", "The request body cannot be read.", "Send well-formed content of the declared type."
)
HEADER_MISMATCH = _reason(
    "header_mismatch",
    "The Mcp-Method or Mcp-Name header does not fit the body.",
    "Send headers that repeat what the body says.",
)

# --- grants and the tokens that hang from them --------------------------------------------------------------------------------
GRANT_UNKNOWN = _reason("grant_unknown", "The session is not known any more.", "Sign in again.")
GRANT_ENDED = _reason("grant_ended", "The session was ended.", "Sign in again.")
KEY_RETIRED = _reason("key_retired", "The key of the session's tokens was retired.", "Sign in again.")
GRANT_EXPIRED = _reason("grant_expired", "The session has expired.", "Sign in again.")
ENDED_BY_OPERATOR = _reason(
    "ended_by_operator", "The operator of this server ended the session.", "Sign in again, or ask the operator."
)
SESSION_LIMIT = _reason(
    "session_limit",
    "The user has as many sessions as one user may have, so the oldest was ended.",
    "Sign in again where it was; let programs keep their session instead of signing in each time.",
)
CODE_INVALID = _reason("code_invalid", "The authorization code is not valid.", "Start the sign-in again.")
CODE_EXPIRED = _reason("code_expired", "The authorization code has expired.", "Start the sign-in again.")
CODE_SPENT = _reason("code_spent", "The authorization code was already used.", "Start the sign-in again.")
CODE_CLIENT = _reason(
    "code_client", "The authorization code belongs to another client.", "Send it from the client it was issued to."
)
CODE_REDIRECT_URI = _reason(
    "code_redirect_uri",
    "The redirect URI is not the one the code was issued for.",
    "Send the redirect_uri of the authorization request.",
)
CODE_VERIFIER = _reason(
    "code_verifier", "The PKCE verifier does not fit.", "Send the verifier whose S256 hash was the code_challenge."
)
REFRESH_INVALID = _reason("refresh_invalid", "The refresh token is not valid.", "Sign in again.")
REFRESH_CLIENT = _reason(
    "refresh_client", "The refresh token belongs to another client.", "Send it from the client it was issued to."
)
REFRESH_REUSED = _reason(
    "refresh_reused", "A refresh token was used again after its successor.", "Sign in again; the session was ended for safety."
)
SCOPE_WIDENED = _reason("scope_widened", "More scopes were asked for than were granted.", "Ask for a subset, or sign in again.")
RESOURCE_WIDENED = _reason(
    "resource_widened",
    "The resource is not the one that was granted.",
    "Send the resource of the authorization request, or none.",
)

# --- requests to the authorization server -------------------------------------------------------------------------------------
REQUEST_MALFORMED = _reason("request_malformed", "The request cannot be read.", "Send a well-formed OAuth request.")
REQUEST_TOO_LARGE = _reason("request_too_large", "The request is too large.", "Send less.")
PARAMETER_REPEATED = _reason("parameter_repeated", "A parameter was sent more than once.", "Send each parameter once.")
PARAMETER_MISSING = _reason("parameter_missing", "A required parameter is missing.", "Send it.")
PARAMETER_INVALID = _reason("parameter_invalid", "A parameter has a value that is not allowed.", "Correct it.")
METHOD_NOT_ALLOWED = _reason(
    "method_not_allowed", "This endpoint has no such method.", "Use one of those that the Allow header names."
)
CONTENT_TYPE = _reason(
    "content_type", "The request has the wrong content type.", "Send the content type that the endpoint expects."
)
CLIENT_UNKNOWN = _reason(
    "client_unknown",
    "This client is not known here.",
    "Let the client register again (in most apps: remove the server and add it again).",
)
CLIENT_AUTHENTICATION = _reason(
    "client_authentication", "Client authentication failed.", "Send the credentials that the client registered with."
)
CLIENT_AUTHENTICATION_TWICE = _reason(
    "client_authentication_twice", "More than one way of client authentication was used.", "Use exactly one."
)
CLIENT_THROTTLED = _reason("client_throttled", "Too many failed attempts.", "Wait, then send the right credentials.")
ASSERTION_INVALID = _reason(
    "assertion_invalid", "The client assertion is not valid.", "Sign a fresh assertion for this issuer with the registered key."
)
ASSERTION_REPLAYED = _reason("assertion_replayed", "The client assertion was used before.", "Use a new jti for each request.")
CLIENT_DOCUMENT_URL = _reason(
    "client_document_url",
    "The client identifier is not a URL that a client may use.",
    "Use an https URL with a path, without fragment, credentials or dot segments.",
)
CLIENT_DOCUMENT_UNREACHABLE = _reason(
    "client_document_unreachable",
    "The client's metadata document cannot be fetched.",
    "Try again later, or use a client that registers itself.",
)
CLIENT_DOCUMENT_INVALID = _reason(
    "client_document_invalid", "The client's metadata document is not valid.", "The publisher of the client has to correct it."
)
CLIENT_DOCUMENTS_OFF = _reason(
    "client_documents_off", "Clients cannot be named by URL here.", "Use a client that registers itself."
)
REGISTRATION_INVALID = _reason("registration_invalid", "The registration is not valid.", "Correct the client metadata.")
REDIRECT_URI_INVALID = _reason(
    "redirect_uri_invalid",
    "The redirect URI is not one that may be used.",
    "Use https, http on a loopback address, or a private-use scheme with a dot.",
)
REDIRECT_URI_MISMATCH = _reason(
    "redirect_uri_mismatch", "The redirect URI is not registered for this client.", "Register it, or send a registered one."
)
REDIRECT_URI_NOT_ALLOWED = _reason(
    "redirect_uri_not_allowed",
    "This server does not allow that redirect URI.",
    "Ask the operator to admit it in allowed_client_redirect_uris.",
)
RESPONSE_TYPE = _reason("response_type", "Only response_type=code is supported.", "Use the authorization code flow.")
PKCE_REQUIRED = _reason("pkce_required", "PKCE with S256 is required.", "Send code_challenge and code_challenge_method=S256.")
SCOPE_INVALID = _reason("scope_invalid", "The scope is not valid here.", "Ask for scopes that the metadata lists.")
RESOURCE_INVALID = _reason(
    "resource_invalid", "The resource is not one of this server.", "Send the resource URL from the protected resource metadata."
)
ADMIN_TOKEN = _reason(
    "admin_token", "This is for the operator of this server only.", "Send the admin_token of the configuration as bearer token."
)
GRANT_TYPE_UNSUPPORTED = _reason(
    "grant_type_unsupported", "This grant type is not supported.", "Use authorization_code or refresh_token."
)
GRANT_TYPE_NOT_REGISTERED = _reason(
    "grant_type_not_registered", "The client did not register this grant type.", "Register with the grant type."
)

# --- login, consent and callback ----------------------------------------------------------------------------------------------
LOGIN_COOKIE_MISSING = _reason(
    "login_cookie_missing",
    "This browser did not start this sign-in, has finished it already, or blocks cookies.",
    "Start again, from your app or the page you came from, in one ordinary browser window with cookies allowed.",
)
LOGIN_EXPIRED = _reason("login_expired", "The sign-in took too long.", "Start again, from your app or the page you came from.")
LOGIN_STATE = _reason(
    "login_state", "The answer does not belong to a sign-in that was started here.", "Start again from your app."
)
INTERACTION_REQUIRED = _reason(
    "interaction_required",
    "The user has to be asked, and the request forbids it.",
    "Send the request without prompt=none.",
)
CONSENT_FORGED = _reason(
    "consent_forged", "The consent form was not sent from its own page.", "Go back, reload the page, and decide again."
)
CONSENT_DENIED = _reason("consent_denied", "The user did not allow the access.", "Start again to decide otherwise.")
PAGE_FORM_FORGED = _reason(
    "page_form_forged",
    "The form was not sent from its own page, or that page is from an earlier sign-in.",
    "Open the page of your connected apps again and press the button there.",
)
CONNECTION_UNKNOWN = _reason(
    "connection_unknown",
    "No app is connected to your account by that name.",
    "Open the page of your connected apps again; it shows those that are connected now.",
)
SIGN_IN_REFUSED = _reason("sign_in_refused", "This account may not sign in here.", "Use another account, or ask the operator.")
UPSTREAM_CANCELLED = _reason(
    "upstream_cancelled",
    "The sign-in at the identity provider was not completed.",
    "Start again to sign in.",
)
UPSTREAM_ERROR = _reason(
    "upstream_error", "The identity provider answered with an error.", "Start again; if it stays, tell the operator."
)
UPSTREAM_ANSWER = _reason(
    "upstream_answer", "The identity provider's answer cannot be used.", "Tell the operator; the log names the detail."
)
UPSTREAM_ID_TOKEN = _reason(
    "upstream_id_token",
    "The identity provider's ID token is not valid.",
    "Tell the operator; the log names the check that failed.",
)
UPSTREAM_ISSUER = _reason("upstream_issuer", "The answer comes from another identity provider.", "Start again from your app.")
UPSTREAM_REFUSED = _reason("upstream_refused", "The identity provider ended the session.", "Sign in again.")
UPSTREAM_CREDENTIALS = _reason(
    "upstream_credentials",
    "The identity provider refuses this server's credentials.",
    "The operator has to correct client_id or client_secret.",
)
UPSTREAM_UNAVAILABLE = _reason("upstream_unavailable", "The identity provider does not answer.", "Try again in a moment.")
STORE_UNAVAILABLE = _reason("store_unavailable", "The session store does not answer.", "Try again in a moment.")
RECORD_UNREADABLE = _reason(
    "record_unreadable",
    "Stored sessions cannot be read with the keys of this server.",
    "The operator has to put the missing key back, or to let those sessions end.",
)
KEY_FILE = _reason(
    "key_file", "The file of the signing keys cannot be read.", "The operator has to restore it; the log says what is wrong."
)
FETCH_FORBIDDEN = _reason(
    "fetch_forbidden", "The address must not be fetched.", "Use a public https address, or let the operator name the host."
)
FETCH_FAILED = _reason("fetch_failed", "The address could not be fetched.", "Try again later.")
INTERNAL = _reason("internal", "Something went wrong here.", "Try again; if it stays, tell the operator the request id.")
CONFIGURATION = _reason("configuration", "The configuration cannot work.", "Correct it as the message says.")
