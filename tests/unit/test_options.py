"""One list of options, honoured by every bridge."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import Any

import httpx2
import pytest

from vestibule import OAuthProxy, OIDCConfiguration, OIDCProxy
from vestibule.clock import SystemClock
from vestibule.errors import ConfigurationError
from vestibule.proxy.options import CommonOptions, Options
from vestibule.storage.memory import MemoryStore
from vestibule.verifiers.base import TokenVerifier

PROVIDER = "https://login.example.com"
BASE_URL = "https://mcp.example.com"
OPTIONS_PAGE = Path(__file__).parents[2] / "docs" / "reference" / "options.md"

EXAMPLES: dict[str, Any] = {
    "resource_base_url": "https://api.example.com",
    "redirect_path": "/back",
    "issuer_url": "https://mcp.example.com/",
    "service_documentation_url": "https://example.com/docs",
    "allowed_client_redirect_uris": ["http://localhost:*", "claude"],
    "valid_scopes": ["read", "write"],
    "scope_hierarchy": {"write": ["read"]},
    "forward_pkce": False,
    "forward_resource": False,
    "token_endpoint_auth_method": "client_secret_post",
    "upstream_private_key": None,
    "extra_authorize_params": {"connection": "staff"},
    "extra_token_params": {"connection": "staff"},
    "client_storage": MemoryStore(),
    "jwt_signing_key": ["hX2vQ9mRk4TzL7pWc1NbYd6sJf3GaE8u", "Zq5KtB0xVw7MnR2yHj9LcP4dFg6SsA1e"],
    "upstream_token_protection": "client",
    "require_authorization_consent": "remember",
    "consent_csp_policy": "",
    "connections_page": False,
    "page_templates": None,
    "page_colours": {"accent": "#7a2048"},
    "fallback_access_token_expiry_seconds": 60,
    "fallback_refresh_token_expiry_seconds": 600,
    "access_token_expiry_seconds": 60,
    "fastmcp_access_token_expiry_seconds": 60,
    "token_expiry_threshold_seconds": 30,
    "token_check_seconds": 60,
    "enable_cimd": False,
    "clients": (),
    "sign_in_policy": lambda claims: claims.get("email_verified") is True,
    "operator_contact": "it@example.com",
    "tool_scopes": {"delete_*": ["admin"]},
    "allowed_origins": ["https://app.example.com"],
    "allowed_hosts": ["mcp.internal"],
    "revocation_delay_seconds": 0,
    "store_outage_seconds": 60,
    "health_routes": False,
    "admin_token": "Wd8sKq3Vn6Tz1Rb9Lx4Jm7Ph2Gf5Yc0E",
    "client_document_hosts": ["clients.internal"],
    "egress_proxy": "http://proxy.internal:3128",
    "http_client": httpx2.AsyncClient(),
    "clock": SystemClock(),
}


class Discovered(OIDCProxy):
    """A bridge whose provider has been read already."""

    def get_oidc_configuration(self, *_: object) -> OIDCConfiguration:
        return OIDCConfiguration(
            strict=False,
            issuer=PROVIDER,
            authorization_endpoint=f"{PROVIDER}/authorize",
            token_endpoint=f"{PROVIDER}/token",
            jwks_uri=f"{PROVIDER}/jwks",
        )


def oidc_proxy(**options: Any) -> OAuthProxy:
    return Discovered(config_url=PROVIDER, client_id="ours", client_secret="secret", base_url=BASE_URL, **options)


def oauth_proxy(**options: Any) -> OAuthProxy:
    return OAuthProxy(
        upstream_authorization_endpoint=f"{PROVIDER}/authorize",
        upstream_token_endpoint=f"{PROVIDER}/token",
        upstream_client_id="ours",
        upstream_client_secret="secret",
        token_verifier=TokenVerifier(required_scopes=["read"]),
        base_url=BASE_URL,
        **options,
    )


BRIDGES = [oidc_proxy, oauth_proxy]


def test_what_editors_show_is_what_there_is() -> None:
    shown = {name: reference.__forward_arg__ for name, reference in CommonOptions.__annotations__.items()}
    assert shown == {field.name: field.type for field in fields(Options)}


def test_every_option_has_an_example_here() -> None:
    assert set(EXAMPLES) == set(CommonOptions.__annotations__)


@pytest.mark.parametrize("name", sorted(CommonOptions.__annotations__))
def test_every_option_is_explained(name: str) -> None:
    assert name in (CommonOptions.__doc__ or "")
    assert f"`{name}`" in OPTIONS_PAGE.read_text(encoding="utf-8")


@pytest.mark.parametrize("bridge", BRIDGES)
@pytest.mark.parametrize("name", sorted(CommonOptions.__annotations__))
def test_every_bridge_takes_every_option(bridge: Any, name: str) -> None:
    options = {"client_storage": "memory://", name: EXAMPLES[name]}
    assert bridge(**options).get_routes("/mcp")


@pytest.mark.parametrize("bridge", BRIDGES)
def test_a_misspelt_option_is_refused(bridge: Any) -> None:
    with pytest.raises(TypeError, match="redirect_pth"):
        bridge(redirect_pth="/back")


@pytest.mark.parametrize("bridge", BRIDGES)
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("require_authorization_consent", "always"),
        ("revocation_delay_seconds", -1),
        ("store_outage_seconds", -1),
        ("access_token_expiry_seconds", 0),
        ("fallback_refresh_token_expiry_seconds", -5),
        ("token_check_seconds", 0),
        ("upstream_token_protection", "nobody"),
        ("redirect_path", "/token"),
        ("token_endpoint_auth_method", "client_secret_jwt"),
        ("extra_authorize_params", {"state": "fixed"}),
        ("extra_token_params", {"code": "fixed"}),
        ("client_storage", "mysql://localhost"),
        ("jwt_signing_key", "short"),
        ("issuer_url", "http://mcp.example.com"),
        ("valid_scopes", "read write"),
        ("allowed_origins", "https://app.example.com"),
        ("allowed_hosts", "mcp.internal"),
        ("client_document_hosts", "clients.internal"),
        ("tool_scopes", {"delete_*": "admin"}),
        ("scope_hierarchy", {"admin": "write"}),
    ],
)
def test_a_value_that_cannot_work_is_refused_at_the_start(bridge: Any, name: str, value: object) -> None:
    with pytest.raises(ConfigurationError, match=r"\w"):
        bridge(**{"client_storage": "memory://", name: value})


def test_one_text_for_the_required_scopes_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="required_scopes is a list"):
        oidc_proxy(client_storage="memory://", required_scopes="openid")


@pytest.mark.parametrize("bridge", BRIDGES)
def test_options_reach_what_clients_see(bridge: Any) -> None:
    proxy = bridge(client_storage="memory://", redirect_path="back", issuer_url="https://mcp.example.com/")
    paths = {getattr(route, "path", "") for route in proxy.get_routes("/mcp")}
    assert "/back" in paths
    assert "/auth/callback" not in paths
    assert proxy.issuer == "https://mcp.example.com/"
