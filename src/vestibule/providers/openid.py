"""OpenID providers whose access tokens are JWTs that name their application."""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar

from vestibule import reasons, unsafe
from vestibule.errors import Unavailable
from vestibule.grants.connection import Connection, ProviderRules
from vestibule.proxy.oidc_proxy import OIDCProxy
from vestibule.proxy.options import Options
from vestibule.verifiers.application import ApplicationJWTVerifier
from vestibule.verifiers.base import TokenVerifier

__all__ = ["ApplicationOIDCProxy"]


class ApplicationOIDCProxy(OIDCProxy):
    """As :class:`~vestibule.proxy.oidc_proxy.OIDCProxy`, with access tokens of one application only.

    Attributes:
        vendor: what people call the provider.
        client_claim: the claim of access tokens that names the application.
        token_kind: a claim that tells access tokens from ID tokens, and its value.
    """

    vendor: ClassVar[str]
    client_claim: ClassVar[str]
    token_kind: ClassVar[tuple[str, str] | None] = None

    _token_audience: str | None = None

    def get_token_verifier(
        self,
        *,
        algorithm: str | None = None,
        audience: str | None = None,
        required_scopes: list[str] | None = None,
        timeout_seconds: int | None = None,
    ) -> TokenVerifier:
        """The verifier of the provider's access tokens: of our application, and for `audience` where one is known."""
        config = self.oidc_config
        if config is None:
            raise Unavailable(reasons.UPSTREAM_UNAVAILABLE)
        return ApplicationJWTVerifier(
            client_id=self._client_id,
            client_claim=self.client_claim,
            kind=self.token_kind,
            jwks_uri=str(config.jwks_uri),
            issuer=str(config.issuer),
            audience=audience or self._token_audience or unsafe.any_audience,
            algorithm=algorithm,
            required_scopes=required_scopes,
            http_client=self._options.http_client,
            clock=self._options.clock,
        )

    def _provider_rules(self, options: Options) -> ProviderRules:
        return replace(super()._provider_rules(options), name=self.vendor)

    def _connected(self, connection: Connection, options: Options) -> Connection:
        return replace(connection, accepts_opaque=False)
