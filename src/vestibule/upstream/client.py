"""The identity provider's authorization and token endpoints, used as an ordinary OAuth client (RFC 6749 §4.1, §6; RFC 7009)."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Final
from urllib.parse import parse_qsl, quote, urlencode, urlsplit, urlunsplit

from vestibule.clock import Clock
from vestibule.condition import Condition
from vestibule.errors import UpstreamMisconfigured, UpstreamRefused
from vestibule.net.trusted import TrustedClient
from vestibule.protocol.scopes import format_scope
from vestibule.upstream.answers import UpstreamTokens, check_answer, read_tokens
from vestibule.upstream.credentials import ClientCredentials, PrivateKey
from vestibule.upstream.parameters import FORWARDED_PARAMETERS, check_authorize_extras, check_token_extras

__all__ = ["UpstreamClient", "UpstreamTokens"]

_CONTACT_SECONDS: Final = 5.0
_UNKNOWN_TOKEN: Final = frozenset({"unsupported_token_type", "invalid_token"})


class UpstreamClient:
    """This server as a client of the provider.

    Args:
        authorization_endpoint: may carry a query, which is kept (RFC 6749 §3.1).
        token_endpoint: likewise.
        client_id: what the provider gave us.
        client_secret: None for a public client or ``private_key_jwt``.
        revocation_endpoint: RFC 7009; None if there is none.
        token_endpoint_auth_method: None: ``client_secret_basic`` with a secret, ``private_key_jwt`` with a key, else ``none``.
        private_key: PEM or JWK for ``private_key_jwt``.
        extra_authorize_params: sent with every authorization request; they win over what an MCP client wishes.
        extra_token_params: sent with every exchange and refresh.
        contact_url: what anybody may read there, to see whether it answers; None: the token endpoint says at least that this was no request.
        http: for operator-configured addresses.
        clock: the time.

    Raises:
        ConfigurationError: credentials and method do not fit, or an extra parameter is one that the protocol needs.
    """

    def __init__(
        self,
        *,
        authorization_endpoint: str,
        token_endpoint: str,
        client_id: str,
        client_secret: str | None = None,
        revocation_endpoint: str | None = None,
        token_endpoint_auth_method: str | None = None,
        private_key: PrivateKey | None = None,
        extra_authorize_params: Mapping[str, str] | None = None,
        extra_token_params: Mapping[str, str] | None = None,
        contact_url: str | None = None,
        http: TrustedClient,
        clock: Clock,
    ) -> None:
        check_authorize_extras("extra_authorize_params", extra_authorize_params or {})
        check_token_extras("extra_token_params", extra_token_params or {})
        check_authorize_extras("the query of the authorization endpoint", _query_of(authorization_endpoint))
        self._authorization_endpoint = authorization_endpoint
        self._token_endpoint = token_endpoint
        self._revocation_endpoint = revocation_endpoint
        self._extra_authorize_params = dict(extra_authorize_params or {})
        self._extra_token_params = dict(extra_token_params or {})
        self._contact_url = contact_url or token_endpoint
        self._http = http
        self._clock = clock
        self._credentials = ClientCredentials.choose(
            client_id=client_id,
            secret=client_secret,
            private_key=private_key,
            method=token_endpoint_auth_method,
            audience=token_endpoint,
        )

    @property
    def credentials(self) -> ClientCredentials:
        """Who this server is at the provider."""
        return self._credentials

    @property
    def condition(self) -> Condition:
        """Whether the provider answers."""
        return self._http.condition

    async def contact(self) -> None:
        """Ask the provider for something that needs no credentials; :attr:`condition` then tells whether it answered.

        Raises:
            Unavailable: it does not answer.
        """
        await self._http.get(self._contact_url, timeout=_CONTACT_SECONDS)

    def authorization_url(
        self,
        *,
        redirect_uri: str,
        state: str,
        scopes: Collection[str],
        nonce: str,
        code_challenge: str | None = None,
        resource: str | None = None,
        forwarded: Mapping[str, str] | None = None,
    ) -> str:
        """Where the browser goes to sign in (OIDC Core §3.1.2.1).

        Args:
            redirect_uri: ours, as registered with the provider.
            state: ours, single use.
            scopes: asked for at the provider.
            nonce: ours; always sent, since some providers refuse without.
            code_challenge: of our own PKCE pair, S256 (RFC 7636 §4.3).
            resource: RFC 8707; then to be sent to the token endpoint too.
            forwarded: from the MCP client; only :data:`~vestibule.upstream.parameters.FORWARDED_PARAMETERS` are taken.
        """
        wishes = {name: value for name, value in (forwarded or {}).items() if name in FORWARDED_PARAMETERS}
        protocol = {
            "response_type": "code",
            "client_id": self._credentials.client_id,
            "redirect_uri": redirect_uri,
            "scope": format_scope(tuple(scopes)),
            "state": state,
            "nonce": nonce,
            "code_challenge": code_challenge,
            "code_challenge_method": "S256" if code_challenge else None,
            "resource": resource,
        }
        return _with_query(self._authorization_endpoint, {**_present(protocol), **wishes, **self._extra_authorize_params})

    async def exchange(
        self,
        *,
        code: str,
        redirect_uri: str,
        code_verifier: str | None = None,
        resource: str | None = None,
        scopes: Collection[str] = (),
    ) -> UpstreamTokens:
        """Redeem a code (RFC 6749 §4.1.3).

        Args:
            code: from the callback.
            redirect_uri: the one of the authorization request.
            code_verifier: of our PKCE pair.
            resource: the one of the authorization request.
            scopes: only for providers that want them here again.

        Raises:
            Unavailable: the provider does not answer for the moment; the code may still be good.
            UpstreamRefused: the code is dead.
            UpstreamMisconfigured: the provider refuses this server's credentials or request.
        """
        parameters = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": redirect_uri,
            "code_verifier": code_verifier,
            "resource": resource,
            "scope": format_scope(tuple(scopes)),
        }
        return await self._request_tokens(_present(parameters), sent=(code, code_verifier or ""))

    async def refresh(self, refresh_token: str, *, scopes: Collection[str] = (), resource: str | None = None) -> UpstreamTokens:
        """Get a fresh access token (RFC 6749 §6). An answer without a refresh token means that the old one goes on.

        Raises:
            Unavailable: the provider does not answer for the moment; nothing is lost.
            UpstreamRefused: the refresh token is dead: the user has to sign in again.
            UpstreamMisconfigured: the provider refuses this server's credentials or request; the refresh token may be good.
        """
        parameters = {
            "grant_type": "refresh_token",
            "refresh_token": refresh_token,
            "scope": format_scope(tuple(scopes)),
            "resource": resource,
        }
        tokens = await self._request_tokens(_present(parameters), sent=(refresh_token,))
        return tokens if tokens.refresh_token else replace(tokens, refresh_token=refresh_token)

    async def revoke(self, token: str, hint: str) -> None:
        """End a token at the provider (RFC 7009 §2.1); without a revocation endpoint nothing happens.

        Args:
            token: an access or refresh token.
            hint: ``access_token`` or ``refresh_token``.

        Raises:
            Unavailable: the provider does not answer for the moment.
            UpstreamMisconfigured: it refuses this server's credentials or request.
        """
        if self._revocation_endpoint is None:
            return
        form = {"token": token, "token_type_hint": hint, **self._credentials.parameters(self._clock)}
        answer = await self._http.post_form(self._revocation_endpoint, form, auth=self._credentials.basic())
        try:
            check_answer(answer, sent=self._secrets(form, (token,)), may_be_empty=True)
        except UpstreamRefused as refusal:
            # RFC 7009 §2.2: a token that the provider does not know any more is as revoked as can be.
            if isinstance(refusal, UpstreamMisconfigured) and refusal.error not in _UNKNOWN_TOKEN:
                raise

    async def _request_tokens(self, parameters: Mapping[str, str], sent: Collection[str]) -> UpstreamTokens:
        now = self._clock.now()
        form = {**self._extra_token_params, **parameters, **self._credentials.parameters(self._clock)}
        answer = await self._http.post_form(self._token_endpoint, form, auth=self._credentials.basic())
        return read_tokens(answer, now=now, sent=self._secrets(form, sent))

    def _secrets(self, form: Mapping[str, str], sent: Collection[str]) -> tuple[str, ...]:
        return (*sent, self._credentials.secret, form.get("client_assertion", ""))


def _query_of(url: str) -> dict[str, str]:
    return dict(parse_qsl(urlsplit(url).query, keep_blank_values=True))


def _with_query(url: str, parameters: Mapping[str, str]) -> str:
    parts = urlsplit(url)
    query = "&".join(filter(None, (parts.query, urlencode(parameters, quote_via=quote))))
    return urlunsplit(parts._replace(query=query))


def _present(parameters: Mapping[str, str | None]) -> dict[str, str]:
    return {name: value for name, value in parameters.items() if value}
