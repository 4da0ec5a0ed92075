"""The operator's list of redirect URIs."""

import pytest

from vestibule.errors import ConfigurationError
from vestibule.protocol.redirect_patterns import PRESETS, AllowedRedirectURIs


@pytest.mark.parametrize(
    ("pattern", "admitted", "refused"),
    [
        (
            "http://localhost:*",
            ["http://localhost", "http://localhost:1/", "http://localhost:65535/cb?x=1"],
            [
                "http://127.0.0.1:1/",
                "https://localhost:1/",
                "http://localhost.evil.example:1/",
                "http://localhost:1@evil.example/",
            ],
        ),
        (
            "http://localhost/cb",
            ["http://localhost/cb", "http://localhost:80/cb"],
            ["http://localhost:81/cb", "http://localhost/cb/x"],
        ),
        ("http://[::1]:*/cb", ["http://[::1]:7/cb"], ["http://[::2]:7/cb", "http://[::1]:7/"]),
        (
            "https://*.example.com/*",
            ["https://a.example.com/", "https://a.b.example.com/x/y?z", "https://A.Example.COM/x"],
            [
                "https://example.com/",
                "https://evilexample.com/",
                "https://example.com.evil.example/",
                "https://evil.example/.example.com/",
                "https://evil.example/?a.example.com/",
                "https://a.example.com:8443/",
                "http://a.example.com/",
                "https://a.example.com",
            ],
        ),
        (
            "https://app.example/cb/*",
            ["https://app.example/cb/", "https://app.example/cb/1"],
            ["https://app.example/cb", "https://app.example/cb/../admin", "https://app.example/cb/%2e%2e/admin"],
        ),
        (
            "https://app.example/cb",
            ["https://app.example/cb"],
            ["https://app.example/cb?x", "https://app.example/Cb", "https://app.examplexcb"],
        ),
        (
            "https://app.example",
            ["https://app.example", "https://app.example:443/any?x"],
            ["https://app.example.evil.example/"],
        ),
        (
            "https://app.example:8443/a.b",
            ["https://app.example:8443/a.b"],
            ["https://app.example/a.b", "https://app.example:8443/axb"],
        ),
        ("https://*", ["https://any.example/x"], ["http://localhost/", "https://any.example:444/"]),
        ("cursor://*", ["cursor://a/b", "CURSOR://a/b"], ["cursor:/b", "cursors://a/b", "https://cursor/"]),
        (
            "com.example.app:/cb",
            ["com.example.app:/cb"],
            ["com.example.app:/cb2", "com.example.app://cb", "com.example.app2:/cb"],
        ),
        ("com.example.app:/*", ["com.example.app:/cb"], ["com.example.app:cb"]),
    ],
)
def test_patterns(pattern: str, admitted: list[str], refused: list[str]):
    allowed = AllowedRedirectURIs([pattern])
    assert [uri for uri in admitted if not allowed.admits(uri)] == []
    assert [uri for uri in refused if allowed.admits(uri)] == []


def test_an_empty_list_admits_nothing():
    assert not AllowedRedirectURIs([]).admits("https://app.example/cb")


@pytest.mark.parametrize(
    "pattern",
    [
        "",
        "*",
        "nosuchpreset",
        "app.example/cb",
        "https://",
        "https:/cb",
        "https:*",
        "https://app.*.example/",
        "https://app*.example/",
        "https://*app.example/",
        "https://user@app.example/",
        "https://app.example/cb#x",
        "https://app.example\\x",
        "https://app.example:0/",
        "http://*/",
        "http://*:*",
        "http://app.example/",
        "javascript:*",
        "data:*",
        "file://*",
        "*://localhost",
    ],
)
def test_a_pattern_that_cannot_work_is_told_at_once(pattern: str):
    with pytest.raises(ConfigurationError, match="allowed_client_redirect_uris"):
        AllowedRedirectURIs([pattern])


def test_one_text_is_not_a_list():
    with pytest.raises(ConfigurationError, match="list"):
        AllowedRedirectURIs("https://app.example/cb")


SEEN = {
    "claude": ["https://claude.ai/api/mcp/auth_callback", "https://claude.com/api/mcp/auth_callback", "claude://x"],
    "claude-code": ["http://localhost:54545/callback", "http://127.0.0.1:3118/callback", "http://localhost/callback"],
    "chatgpt": ["https://chatgpt.com/connector/oauth/abc123", "https://chatgpt.com/connector_platform_oauth_redirect"],
    "cursor": [
        "cursor://anysphere.cursor-retrieval/oauth/user-x/callback",
        "https://www.cursor.com/agents/mcp/oauth/callback",
        "http://localhost:8787/callback",
    ],
    "copilot-studio": ["https://global.consent.azure-apim.net/redirect/some-connector"],
    "grok": ["https://grok.com/connectors-oauth-exchange-code/", "https://console.x.ai/connectors-oauth-exchange-code/"],
    "inspector": ["http://localhost:6274/oauth/callback", "http://localhost:6274/oauth/callback/debug"],
    "le-chat": ["https://callback.mistral.ai/v1/integrations_auth/oauth2_callback"],
    "loopback": ["http://localhost:1/x", "http://127.0.0.1/", "http://[::1]:2"],
    "vscode": [
        "https://vscode.dev/redirect",
        "https://insiders.vscode.dev/redirect",
        "http://127.0.0.1/",
        "http://127.0.0.1:33418/",
        "vscode://x/y",
    ],
    "windsurf": ["windsurf://codeium.windsurf/cb"],
    "zed": ["http://127.0.0.1:27523/callback"],
}


@pytest.mark.parametrize("preset", sorted(PRESETS))
def test_a_preset_admits_what_its_client_sends_and_no_stranger(preset: str):
    allowed = AllowedRedirectURIs([preset])
    assert [uri for uri in SEEN[preset] if not allowed.admits(uri)] == []
    assert not allowed.admits("https://evil.example/api/mcp/auth_callback")
    assert not allowed.admits("https://evil.example/callback")
