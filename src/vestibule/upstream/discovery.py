"""What the identity provider says of itself (OpenID Connect Discovery 1.0 §3, RFC 8414 §2)."""

from __future__ import annotations

import json
import time
from typing import Any, Final, Self
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, ValidationError, model_validator

from vestibule import reasons
from vestibule.errors import ConfigurationError, Unavailable
from vestibule.net.trusted import TrustedClient

__all__ = ["OIDCConfiguration"]

_MAX_BYTES = 1024 * 1024
_TIMEOUT_SECONDS = 10.0
_TRANSIENT: Final = frozenset({408, 425, 429})
_REQUIRED: Final = (
    "issuer",
    "authorization_endpoint",
    "token_endpoint",
    "jwks_uri",
    "response_types_supported",
    "subject_types_supported",
    "id_token_signing_alg_values_supported",
)
_WELL_KNOWN: Final = ("openid-configuration", "oauth-authorization-server")


class OIDCConfiguration(BaseModel):
    """A provider's metadata. URLs are kept byte for byte, for issuers are compared that way (OIDC Discovery §4.3).

    Members that are not named here are kept too, as attributes.

    Attributes:
        strict: whether what OIDC Discovery §3 requires must be there, and URLs be URLs. Never taken from a fetched document.

    Raises:
        ValueError: strict, and something is missing or no URL; the message names each.
    """

    model_config = ConfigDict(extra="allow")

    strict: bool = True

    issuer: str | None = None
    authorization_endpoint: str | None = None
    token_endpoint: str | None = None
    userinfo_endpoint: str | None = None
    jwks_uri: str | None = None
    registration_endpoint: str | None = None
    introspection_endpoint: str | None = None
    revocation_endpoint: str | None = None
    end_session_endpoint: str | None = None
    pushed_authorization_request_endpoint: str | None = None
    device_authorization_endpoint: str | None = None

    scopes_supported: list[str] | None = None
    response_types_supported: list[str] | None = None
    response_modes_supported: list[str] | None = None
    grant_types_supported: list[str] | None = None
    acr_values_supported: list[str] | None = None
    subject_types_supported: list[str] | None = None
    id_token_signing_alg_values_supported: list[str] | None = None
    userinfo_signing_alg_values_supported: list[str] | None = None
    token_endpoint_auth_methods_supported: list[str] | None = None
    token_endpoint_auth_signing_alg_values_supported: list[str] | None = None
    introspection_endpoint_auth_methods_supported: list[str] | None = None
    revocation_endpoint_auth_methods_supported: list[str] | None = None
    code_challenge_methods_supported: list[str] | None = None
    claims_supported: list[str] | None = None
    ui_locales_supported: list[str] | None = None
    service_documentation: str | None = None
    op_policy_uri: str | None = None
    op_tos_uri: str | None = None
    claims_parameter_supported: bool | None = None
    request_parameter_supported: bool | None = None
    request_uri_parameter_supported: bool | None = None
    authorization_response_iss_parameter_supported: bool | None = None

    @model_validator(mode="after")
    def _is_complete(self) -> Self:
        if not self.strict:
            return self
        missing = [name for name in _REQUIRED if not getattr(self, name)]
        if missing:
            raise ValueError(f"the provider's configuration lacks {', '.join(missing)}")
        wrong = [name for name in type(self).model_fields if _is_url_member(name) and not _is_url_or_none(getattr(self, name))]
        if wrong:
            raise ValueError(f"the provider's configuration has no http(s) URL in {', '.join(wrong)}")
        return self

    @classmethod
    def get_oidc_configuration(
        cls,
        config_url: str,
        *,
        strict: bool | None = None,
        timeout_seconds: float | None = None,
        issuer: str | None = None,
    ) -> Self:
        """Read a provider's discovery document with one GET. Blocks: for start-up; elsewhere use :meth:`fetch`.

        Args:
            config_url: the document's URL, usually ``{issuer}/.well-known/openid-configuration``.
            strict: see the class; None means strict.
            timeout_seconds: for the whole request, 10 by default.
            issuer: what the document must name, for a provider whose issuer is not where its document is.

        Raises:
            Unavailable: the provider does not answer for the moment.
            ConfigurationError: it answers with something else than its own metadata. Both name the URL.
        """
        import httpx2

        timeout = _TIMEOUT_SECONDS if timeout_seconds is None else timeout_seconds
        try:
            status, body = _get(str(config_url), timeout)
        except (httpx2.InvalidURL, httpx2.UnsupportedProtocol) as error:
            raise ConfigurationError(f"{config_url!r} is not a URL of a provider's configuration.") from error
        except httpx2.HTTPError as error:
            raise _unavailable(config_url, type(error).__name__) from error
        return cls._from_answer(str(config_url), status, body, strict, issuer)

    @classmethod
    async def fetch(cls, config_url: str, *, http: TrustedClient, strict: bool | None = None) -> Self:
        """The same as :meth:`get_oidc_configuration` without blocking, with the limits of `http`."""
        answer = await http.get(str(config_url))
        return cls._from_answer(str(config_url), answer.status, answer.body, strict)

    @classmethod
    def _from_answer(cls, config_url: str, status: int, body: bytes, strict: bool | None, issuer: str | None = None) -> Self:
        _check_status(config_url, status)
        members = {**_read_document(config_url, body), "strict": strict is not False}
        try:
            configuration = cls.model_validate(members)
        except ValidationError as error:
            raise ConfigurationError(f"{config_url}: {_messages(error)}") from error
        if issuer is None or configuration.issuer != issuer:
            _check_issuer(config_url, configuration.issuer, exactly=configuration.strict)
        return configuration


def _get(url: str, timeout_seconds: float) -> tuple[int, bytes]:
    import httpx2

    deadline = time.monotonic() + timeout_seconds
    body = bytearray()
    headers = {"accept": "application/json", "accept-encoding": "identity"}
    with httpx2.stream("GET", url, timeout=timeout_seconds, follow_redirects=False, headers=headers) as answer:
        for chunk in answer.iter_bytes():
            body += chunk
            if time.monotonic() > deadline:  # a timeout of the library is one of each read, not of all together
                raise httpx2.ReadTimeout("the whole answer takes too long")
            if len(body) > _MAX_BYTES:
                raise ConfigurationError(f"{url} answers with more than a provider's configuration.")
        return answer.status_code, bytes(body)


def _check_status(config_url: str, status: int) -> None:
    if status >= 500 or status in _TRANSIENT:
        raise _unavailable(config_url, f"HTTP {status}")
    if not 200 <= status < 300:
        raise ConfigurationError(f"{config_url} answers with HTTP {status}; {_hint(config_url, status)}.")


def _hint(config_url: str, status: int) -> str:
    if 300 <= status < 400:
        return "redirects are not followed; check the URL"
    if "/.well-known/" not in config_url:
        return f"the configuration usually is at {config_url.rstrip('/')}/.well-known/openid-configuration"
    return "check the URL"


def _read_document(config_url: str, body: bytes) -> dict[str, Any]:
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        document = None
    if not isinstance(document, dict):
        raise ConfigurationError(f"{config_url} answers with something that is no JSON object; check the URL.")
    return document


def _check_issuer(config_url: str, issuer: str | None, *, exactly: bool) -> None:
    """OIDC Discovery §4.3, RFC 8414 §3.3: a document speaks for the issuer whose well-known location it was read from.

    Some products name an issuer of another path (Azure AD B2C, Entra's ``common``): not strict, the same origin is enough.
    """
    if issuer is None:
        return
    if config_url in _locations(issuer) or (not exactly and _origin(issuer) == _origin(config_url)):
        return
    raise ConfigurationError(f"{config_url} is not the configuration of the issuer it names, {issuer}.")


def _locations(issuer: str) -> list[str]:
    parts = urlsplit(issuer)
    origin, path = f"{parts.scheme}://{parts.netloc}", parts.path.rstrip("/")
    return [
        location
        for name in _WELL_KNOWN
        for location in (f"{origin}{path}/.well-known/{name}", f"{origin}/.well-known/{name}{path}")
    ]


def _origin(url: str) -> tuple[str, str]:
    parts = urlsplit(url)
    return parts.scheme.lower(), parts.netloc.lower()


def _is_url_member(name: str) -> bool:
    return name in ("issuer", "jwks_uri") or name.endswith("_endpoint")


def _is_url_or_none(value: str | None) -> bool:
    if value is None:
        return True
    try:
        parts = urlsplit(value)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and not any(c.isspace() for c in value)
    except ValueError:
        return False


def _messages(error: ValidationError) -> str:
    return "; ".join(
        ": ".join(filter(None, (".".join(map(str, item["loc"])), item["msg"].removeprefix("Value error, "))))
        for item in error.errors()
    )


def _unavailable(config_url: str, what: str) -> Unavailable:
    return Unavailable(reasons.UPSTREAM_UNAVAILABLE, f"{config_url}: {what}")
