"""What can be set: of every provider, and of every bridge."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar, Self, cast

from pydantic import BaseModel, ConfigDict, PrivateAttr, SecretStr, ValidationError

from vestibule.errors import ConfigurationError
from vestibule.proxy.options import CommonOptions
from vestibule.settings.fields import Clients, Code, Consent, Keys, Policy, PrivateKey, Secret, Table, Text, TextList
from vestibule.settings.sources import PREFIX, Found, Sources

__all__ = ["BridgeSettings", "ProviderSettings"]


class ProviderSettings(BaseModel):
    """The settings of one provider; a subclass has a field for each.

    ::

        class GitHubProviderSettings(BridgeSettings, provider="github"):
            client_id: Text | None = None

    reads ``VESTIBULE_GITHUB_CLIENT_ID``, ``FASTMCP_SERVER_AUTH_GITHUB_CLIENT_ID`` and ``client_id`` in the table ``[github]`` of the file.
    The class argument ``older`` says how the provider was called in the older variables, where that was another name; ``beside`` names
    providers whose names begin like this one's.
    """

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True, arbitrary_types_allowed=True)

    provider: ClassVar[str] = ""
    older: ClassVar[str] = ""
    beside: ClassVar[tuple[str, ...]] = ()

    _origins: dict[str, str] = PrivateAttr(default_factory=dict)

    def __init_subclass__(cls, *, provider: str = "", older: str = "", beside: tuple[str, ...] = (), **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if provider:
            cls.provider, cls.older, cls.beside = provider, older or provider, beside

    @classmethod
    def filled(cls, **arguments: Any) -> Self:
        """The settings: the arguments that are not None and, for the others, what is written outside the code.

        Raises:
            TypeError: an argument is none of the settings.
            ConfigurationError: a value cannot be used, or something is written that is none of the settings.
        """
        return cls.from_sources(Sources.here(), **arguments)

    @classmethod
    def from_sources(cls, sources: Sources, **arguments: Any) -> Self:
        """As :meth:`filled`, from the given sources."""
        cls._check_arguments(arguments)
        cls.check_written(sources)
        found = {name: value for name in cls.written_fields() if (value := cls._find(sources, name)) is not None}
        found |= {name: Found(value, "argument") for name, value in arguments.items() if value is not None}
        try:
            settings = cls(**{name: each.value for name, each in found.items()})
        except ValidationError as error:
            raise ConfigurationError(_explain(error, found)) from None
        settings._origins = {name: each.origin for name, each in found.items()}
        return settings

    @classmethod
    def check_written(cls, sources: Sources) -> None:
        """Check that everything that is written about this provider is one of its settings.

        Raises:
            ConfigurationError: naming the nearest that there is.
        """
        sources.check_fields(cls.written_fields(), provider=cls.provider, older=cls.older, others=cls.beside)

    @classmethod
    def completed(cls, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """The arguments that are not None as they are and, for the others, what is written outside the code.

        Raises:
            ConfigurationError: as :meth:`filled`.
        """
        written = cls.filled()
        given = {name: value for name, value in arguments.items() if value is not None}
        return {**{name: written.value(name) for name in written.origins}, **given}

    @classmethod
    def written_fields(cls) -> list[str]:
        """The settings that can be written as text."""
        return [name for name, field in cls.model_fields.items() if "code" not in field.metadata]

    @classmethod
    def variable(cls, name: str) -> str:
        """The environment variable of a setting."""
        return f"{PREFIX}{cls.provider}_{name}".upper()

    @property
    def origins(self) -> Mapping[str, str]:
        """Where each value that is set comes from."""
        return self._origins

    def require(self, *names: str) -> None:
        """Check that these are set.

        Raises:
            ConfigurationError: naming the first that is not, and its variable.
        """
        for name in names:
            if not getattr(self, name):
                raise ConfigurationError(f"{name} is required: pass {name}=… or set {self.variable(name)}.")

    def value(self, name: str) -> Any:
        """A setting, a secret as the text that it is."""
        return _plain(getattr(self, name))

    def __repr_args__(self) -> Iterator[tuple[str | None, Any]]:
        """No values: some are secrets."""
        return ((name, origin) for name, origin in self.origins.items())

    @classmethod
    def _find(cls, sources: Sources, name: str) -> Found | None:
        return sources.find(name, provider=cls.provider, older=cls.older)

    @classmethod
    def _check_arguments(cls, arguments: Mapping[str, Any]) -> None:
        unknown = sorted(set(arguments) - set(cls.model_fields))
        if unknown:
            raise TypeError(f"unexpected keyword argument {unknown[0]!r}")


class BridgeSettings(ProviderSettings):
    """The settings of a provider that is a bridge: beside its own, everything in :class:`~vestibule.proxy.options.CommonOptions`."""

    base_url: Text | None = None

    resource_base_url: Text | None = None
    redirect_path: Text | None = None
    issuer_url: Text | None = None
    service_documentation_url: Text | None = None
    allowed_client_redirect_uris: TextList | None = None
    valid_scopes: TextList | None = None
    scope_hierarchy: Table | None = None
    forward_pkce: bool | None = None
    forward_resource: bool | None = None
    token_endpoint_auth_method: Text | None = None
    upstream_private_key: PrivateKey = None
    extra_authorize_params: Table | None = None
    extra_token_params: Table | None = None
    client_storage: Any = None
    jwt_signing_key: Keys = None
    upstream_token_protection: Text | None = None
    require_authorization_consent: Consent = None
    consent_csp_policy: str | None = None
    connections_page: bool | None = None
    page_templates: Path | None = None
    page_colours: Table | None = None
    fallback_access_token_expiry_seconds: float | None = None
    fallback_refresh_token_expiry_seconds: float | None = None
    access_token_expiry_seconds: float | None = None
    fastmcp_access_token_expiry_seconds: float | None = None
    token_expiry_threshold_seconds: float | None = None
    token_check_seconds: float | None = None
    enable_cimd: bool | None = None
    clients: Clients = None
    sign_in_policy: Policy = None
    operator_contact: Text | None = None
    tool_scopes: Table | None = None
    allowed_origins: TextList | None = None
    allowed_hosts: TextList | None = None
    revocation_delay_seconds: float | None = None
    store_outage_seconds: float | None = None
    health_routes: bool | None = None
    admin_token: Secret | None = None
    client_document_hosts: TextList | None = None
    egress_proxy: Text | None = None
    http_client: Code = None
    clock: Code = None

    def options(self) -> CommonOptions:
        """The common options that are set, to be passed on; secrets as the text that they are."""
        given = {name: self.value(name) for name in CommonOptions.__annotations__ if name in self.origins}
        return cast("CommonOptions", given)


def _plain(value: Any) -> Any:
    return value.get_secret_value() if isinstance(value, SecretStr) else value


def _explain(error: ValidationError, found: Mapping[str, Found]) -> str:
    """What is wrong with which setting, and where it is written; never the value itself."""
    first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    name = str(first["loc"][0])
    return f"{name}: {first['msg'].removeprefix('Value error, ')} ({found[name].origin})."
