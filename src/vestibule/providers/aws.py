"""Amazon Cognito: access tokens without ``aud``, and with ``client_id`` and ``token_use`` instead."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final, Unpack

from vestibule.errors import ConfigurationError
from vestibule.providers.openid import ApplicationOIDCProxy
from vestibule.proxy.options import CommonOptions
from vestibule.settings import BridgeSettings, ScopeList, Secret, Text

if TYPE_CHECKING:
    from pydantic import AnyHttpUrl

__all__ = ["AWSCognitoProvider", "AWSCognitoProviderSettings"]

_DEFAULTS: Final[CommonOptions] = {"forward_resource": False}


class AWSCognitoProviderSettings(BridgeSettings, provider="aws", older="aws_cognito"):
    """``VESTIBULE_AWS_*``, or ``FASTMCP_SERVER_AUTH_AWS_COGNITO_*``."""

    user_pool_id: Text | None = None
    aws_region: Text | None = None
    client_id: Text | None = None
    client_secret: Secret | None = None
    required_scopes: ScopeList | None = None
    timeout_seconds: int = 10


class AWSCognitoProvider(ApplicationOIDCProxy):
    """Signs users in at an Amazon Cognito user pool.

    Args:
        user_pool_id: e.g. ``eu-central-1_AbCdEfGhI``.
        aws_region: default: the one in the pool's id.
        client_id, client_secret: of the app client. No secret: a public client.
        base_url: public URL of this server, with any prefix it is mounted under.
        required_scopes: default ``["openid"]``.
        timeout_seconds: for discovery.
        options: see :class:`~vestibule.proxy.options.CommonOptions`. ``forward_resource`` is False unless you say otherwise: Cognito knows
            only resources that were set up in the pool.

    Raises:
        ConfigurationError: something is missing here and in the environment, or cannot work.
    """

    vendor = "Amazon Cognito"
    client_claim = "client_id"
    token_kind = ("token_use", "access")

    def __init__(
        self,
        *,
        user_pool_id: str | None = None,
        aws_region: str | None = None,
        client_id: str | None = None,
        client_secret: str | None = None,
        base_url: str | AnyHttpUrl | None = None,
        required_scopes: Sequence[str] | None = None,
        timeout_seconds: int | None = None,
        **options: Unpack[CommonOptions],
    ) -> None:
        given = AWSCognitoProviderSettings.filled(
            user_pool_id=user_pool_id,
            aws_region=aws_region,
            client_id=client_id,
            client_secret=client_secret,
            base_url=base_url,
            required_scopes=required_scopes,
            timeout_seconds=timeout_seconds,
            **options,
        )
        given.require("user_pool_id", "client_id", "base_url")
        pool = given.value("user_pool_id")
        common: CommonOptions = {**_DEFAULTS, **given.options()}
        super().__init__(
            config_url=f"https://cognito-idp.{_region(pool, given.aws_region)}.amazonaws.com/{pool}/.well-known/openid-configuration",
            client_id=given.value("client_id"),
            client_secret=given.value("client_secret"),
            base_url=given.value("base_url"),
            algorithm="RS256",
            required_scopes=given.required_scopes,
            timeout_seconds=given.timeout_seconds,
            **common,
        )


def _region(pool: str, named: str | None) -> str:
    of_pool, separator, _ = pool.partition("_")
    if not separator or not of_pool:
        raise ConfigurationError(f"user_pool_id {pool!r} is not one: it looks like eu-central-1_AbCdEfGhI.")
    if named is not None and named != of_pool:
        raise ConfigurationError(f"aws_region is {named}, but the user pool {pool} is in {of_pool}.")
    return of_pool
