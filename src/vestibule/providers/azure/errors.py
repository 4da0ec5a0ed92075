"""What Entra's error codes mean for whoever runs this server.

Entra's own words name the symptom; the cause is nearly always one setting of the app registration.
"""

from __future__ import annotations

import re
from typing import Final

__all__ = ["advice", "error_code", "explain"]

_CODE: Final = re.compile(r"(?:AADSTS|AADB2C)[0-9]{5,8}")

_EXPOSE: Final = (
    "Expose the scope in the app registration: Expose an API, Add a scope. Its name must be one of required_scopes."
)
_SECRET: Final = "Create a client secret under Certificates & secrets and use its Value, not its Secret ID."  # noqa: S105
_ADMIN: Final = "An administrator has to consent: API permissions, Grant admin consent."
_SIGN_IN_AGAIN: Final = "The user has to sign in again."
_WEB: Final = "The redirect URI is of the platform Single-page application: move it to the platform Web."
_ONE_API: Final = (
    "Scopes of two APIs were named in one token request: only this API's belong there. Get others on behalf of the user."
)

_ADVICE: Final = {
    "AADSTS16000": "The session at Microsoft is of another account: choose the account again.",
    "AADSTS28000": _ONE_API,
    "AADSTS28003": _ONE_API,
    "AADSTS50011": "The redirect URI is not registered: add it under Authentication, platform Web, character by character.",
    "AADSTS50013": "The token cannot be exchanged: it is expired, or of another tenant or API.",
    "AADSTS50020": "The user's account is of another tenant: invite it as a guest, or use tenant_id=organizations or common.",
    "AADSTS50034": "There is no such account in this tenant.",
    "AADSTS50055": "The user's password has expired.",
    "AADSTS50057": "The user's account is disabled.",
    "AADSTS50058": _SIGN_IN_AGAIN,
    "AADSTS50059": "The request names no tenant: check tenant_id.",
    "AADSTS50076": "A policy demands multi-factor sign-in: " + _SIGN_IN_AGAIN,
    "AADSTS50079": "The user has to set up multi-factor sign-in: " + _SIGN_IN_AGAIN,
    "AADSTS50105": "The user is not assigned to the application: Enterprise applications, Users and groups.",
    "AADSTS50173": "The password or the session was reset: " + _SIGN_IN_AGAIN,
    "AADSTS50194": "The app registration is for one tenant: use its tenant_id, or make it multi-tenant under Authentication.",
    "AADSTS500011": "The API is not known in this tenant: check identifier_uri against Expose an API, Application ID URI.",
    "AADSTS500131": "The token to exchange is for another API: its audience must be this app registration.",
    "AADSTS500133": "The token to exchange has expired.",
    "AADSTS530003": "Conditional access demands a managed device.",
    "AADSTS53000": "Conditional access demands a compliant device.",
    "AADSTS53003": "Conditional access refuses the sign-in.",
    "AADSTS54005": "The code was redeemed before.",
    "AADSTS65001": "Nobody consented to a scope: " + _ADMIN,
    "AADSTS65004": "The user did not consent.",
    "AADSTS65005": "The app registration lacks an API or permission that was asked for: API permissions, Add a permission.",
    "AADSTS650052": "The API that was asked for has no service principal in this tenant: an administrator has to add it.",
    "AADSTS650053": _EXPOSE,
    "AADSTS650056": "The app registration is incomplete: check its API permissions and consent to them.",
    "AADSTS650057": "The API is not among the API permissions of the app registration: add it there.",
    "AADSTS70000": "The code or refresh token is not valid any more: " + _SIGN_IN_AGAIN,
    "AADSTS70008": "The code or refresh token has expired: " + _SIGN_IN_AGAIN,
    "AADSTS70011": "A scope is not valid. Short names in required_scopes are prefixed with identifier_uri; write others in full. "
    + _EXPOSE,
    "AADSTS70043": "The sign-in frequency of a conditional access policy is over: " + _SIGN_IN_AGAIN,
    "AADSTS700016": "client_id is not known in this tenant: check client_id, tenant_id and base_authority (the cloud).",
    "AADSTS700025": "The app registration is a public client: leave client_secret out, or move the redirect URI to the platform Web.",
    "AADSTS700082": "The refresh token was not used for 90 days: " + _SIGN_IN_AGAIN,
    "AADSTS700084": "The redirect URI is of the platform Single-page application, whose refresh tokens live 24 hours: move it to Web.",
    "AADSTS7000112": "The application is disabled in this tenant.",
    "AADSTS7000114": "A token of an application, without a user, cannot be exchanged: use the application's own credentials for the other API.",
    "AADSTS7000215": "client_secret is wrong. " + _SECRET,
    "AADSTS7000216": "The app registration wants a secret or assertion: set client_secret.",
    "AADSTS7000218": "The app registration wants a secret: set client_secret, or move the redirect URI to the platform Web.",
    "AADSTS7000222": "client_secret has expired. " + _SECRET,
    "AADSTS900144": "The request lacks a parameter, as a rule scope: set required_scopes.",
    "AADSTS90002": "There is no such tenant: check tenant_id and base_authority (the cloud).",
    "AADSTS90009": "The application asks for a token for itself: set identifier_uri to the client_id, so that scopes name it by GUID.",
    "AADSTS90014": "The request lacks a parameter that Entra needs.",
    "AADSTS90033": "Entra is out of order for the moment.",
    "AADSTS90072": "The user's account is of another tenant: invite it as a guest, or use a shared tenant_id.",
    "AADSTS90094": _ADMIN,
    "AADSTS90095": _ADMIN,
    "AADSTS9002313": "The request is malformed: check identifier_uri and the scopes for blanks and quotes.",
    "AADSTS9002325": _WEB,
    "AADSTS9002327": _WEB,
    "AADSTS9002331": "The app registration is for personal accounts: use tenant_id=consumers.",
    "AADSTS9002346": "The app registration is for personal accounts: use tenant_id=consumers.",
    "AADSTS901002": "The parameter resource is not taken beside v2 scopes: leave it out of extra_authorize_params and extra_token_params.",
    "AADSTS9010010": "The parameter resource does not fit the scopes: leave it out of extra_authorize_params and extra_token_params.",
    "AADB2C90006": "The redirect URI is not registered: add it in the B2C app registration, platform Web.",
    "AADB2C90068": "client_id is no B2C app registration: register it in the B2C tenant for all account types.",
    "AADB2C90079": "The app registration wants a secret: set client_secret.",
    "AADB2C90080": "The refresh token has expired: " + _SIGN_IN_AGAIN,
    "AADB2C90081": "client_secret is wrong. " + _SECRET,
    "AADB2C90091": "The user cancelled.",
    "AADB2C90117": "A scope is not known in B2C: expose it, grant it under API permissions, and check identifier_uri.",
    "AADB2C90118": "The user wants to reset the password: use a sign-in policy that does that itself.",
    "AADB2C90129": "The refresh token was revoked: " + _SIGN_IN_AGAIN,
    "AADB2C90146": _ONE_API,
    "AADB2C90205": "The application lacks a permission for the scope: API permissions, and grant admin consent.",
}


def error_code(text: str) -> str | None:
    """The first code in Entra's words, such as ``AADSTS70011``, or None."""
    found = _CODE.search(text)
    return found[0] if found else None


def advice(text: str) -> str | None:
    """What to do about the first code in Entra's words; None if there is none, or none that people meet."""
    return _ADVICE.get(error_code(text) or "")


def explain(detail: str) -> str:
    """Entra's words with the advice before them, so that cutting the line leaves it."""
    known = advice(detail)
    return f"{known} ({detail})" if known else detail
