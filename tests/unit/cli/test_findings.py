"""What single providers refuse, told from the settings alone."""

from __future__ import annotations

import pytest

from vestibule.cli.findings import CHECKS
from vestibule.settings import BridgeSettings, Text

KEY = "a signing key that is long enough for a public server"


def provider(name: str) -> type[BridgeSettings]:
    class Settings(BridgeSettings, provider=name):
        audience: Text | None = None

    return Settings


def found(name: str, **values: object) -> list[str]:
    settings = provider(name)(**{"audience": "ours", "jwt_signing_key": KEY, **values})
    return [finding.text for check in CHECKS for finding in check(settings)]


@pytest.mark.parametrize(
    ("name", "base_url", "words"),
    [
        ("azure", "http://127.0.0.1:8000", "only at localhost"),
        ("aws", "http://[::1]:8000", "only at localhost"),
        ("google", "https://10.0.0.7", "name of the public DNS"),
        ("google", "https://mcp.internal", "name of the public DNS"),
        ("google", "https://mcp", "name of the public DNS"),
    ],
)
def test_a_redirect_uri_that_the_provider_refuses(name: str, base_url: str, words: str) -> None:
    [text] = found(name, base_url=base_url)
    assert words in text


@pytest.mark.parametrize(
    ("name", "base_url"),
    [
        ("azure", "http://localhost:8000"),
        ("google", "http://127.0.0.1:8000"),
        ("google", "https://mcp.example.com"),
        ("github", "http://127.0.0.1:8000"),
        ("auth0", "https://10.0.0.7"),
    ],
)
def test_a_redirect_uri_that_it_takes(name: str, base_url: str) -> None:
    assert found(name, base_url=base_url) == []


def test_a_missing_audience_is_named_with_its_variable() -> None:
    [text] = found("okta", base_url="https://mcp.example.com", audience=None)
    assert "VESTIBULE_OKTA_AUDIENCE" in text


def test_a_shared_store_needs_a_shared_key() -> None:
    [text] = found("okta", base_url="https://mcp.example.com", client_storage="redis://cache", jwt_signing_key=None)
    assert "VESTIBULE_OKTA_JWT_SIGNING_KEY" in text
