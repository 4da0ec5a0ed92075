"""Redirect URIs: what may be registered, and what matches."""

import pytest

from vestibule import reasons
from vestibule.errors import OAuthError
from vestibule.protocol.redirect_uris import (
    AllowedRedirectURIs,
    check_redirect_uri,
    display_host,
    find_registered,
    is_loopback,
    is_private_use,
    redirect_uri_matches,
)

APP = "https://app.example/callback"

REGISTRABLE = [
    APP,
    "https://app.example",
    "https://app.example:8443/cb?x=1",
    "https://xn--bcher-kva.example/cb",
    "https://192.0.2.7/cb",
    "https://[2001:db8::1]/cb",
    "https://app.example/*",
    "https://app.example/a...b/..c/.well-known/x",
    "http://localhost/callback",
    "http://localhost:8787/callback",
    "http://127.0.0.1/",
    "http://127.0.0.1:33418/",
    "http://[::1]:9/cb",
    "com.example.app:/cb",
    "com.example.app:cb",
    "cursor://anysphere.cursor-retrieval/oauth/user-x/callback",
    "vscode://vscode.github-authentication/did-authenticate",
    "vscode-insiders://x/y",
    "windsurf://codeium.windsurf/cb",
    "claude://callback",
]

# Each one is a way around a list of redirect URIs, or leads a browser elsewhere than it reads.
REFUSED = [
    "",
    "callback",
    "/callback",
    "//app.example/cb",
    "https:",
    "https:/cb",
    "https:app.example/cb",
    "https:///cb",
    "https://",
    "https://:443/cb",
    "http://app.example/cb",
    "http://127.0.0.1.evil.example/cb",
    "http://localhost.evil.example/cb",
    "http://evil.example/localhost",
    "http://127.0.0.2/cb",
    "http://192.168.0.1/cb",
    "http://[::ffff:127.0.0.1]/cb",
    APP + "#",
    APP + "#x",
    "https://user@app.example/cb",
    "https://user:pw@app.example/cb",
    "https://app.example@evil.example/cb",
    "https://@app.example/cb",
    "cursor://user@x/cb",
    "https://app.example/../cb",
    "https://app.example/a/./cb",
    "https://app.example/..",
    "https://app.example/%2e%2e/cb",
    "https://app.example/%2E./cb",
    "https://app.example/a/.%2e%2fcb",
    "https://app.example/a/..%2fcb",
    "https://app.example/a/..%5ccb",
    "https://app.example/%252e%252e/cb",
    "com.example.app:/../cb",
    "https://app.example\\@evil.example/cb",
    "https:\\\\app.example\\cb",
    "https://app.example/\\evil",
    "https://app.example/%",
    "https://app.example/%zz",
    "https://app.example/c b",
    " https://app.example/cb",
    "https://app.example/cb\n",
    "ht\ttps://app.example/cb",
    "java\nscript:alert(1)",
    "https://app.example/\x00",
    "https://bücher.example/cb",
    "https://аpp.example/cb",
    "https://app.example./cb",
    "https://app..example/cb",
    "https://-app.example/cb",
    "https://" + "a." * 126 + "example/cb",
    "https://app.example%2f.evil.example/cb",
    "https://2130706433/cb",
    "https://0x7f.1/cb",
    "https://127.1/cb",
    "https://evil.0x7f/cb",
    "https://[::1/cb",
    "https://[::1%25eth0]/cb",
    "https://[v1.x]/cb",
    "https://app.example:/cb",
    "https://app.example:0/cb",
    "https://app.example:65536/cb",
    "https://app.example:+80/cb",
    "https://app.example:8a/cb",
    "javascript:alert(1)",
    "JavaScript:alert(1)",
    "javascript://app.example/%0aalert(1)",
    "data:text/html,x",
    "DATA:text/html,x",
    "file:///etc/passwd",
    "vbscript:x",
    "blob:https://app.example/x",
    "about:blank",
    "view-source:https://app.example/",
    "mailto:a@b.example",
    "ws://localhost/cb",
    "myapp:/cb",
    "myapp://cb",
    "https://app.example/" + "a" * 2048,
]


@pytest.mark.spec("DCR-07")
@pytest.mark.parametrize("uri", REGISTRABLE)
def test_may_be_registered(uri: str):
    assert check_redirect_uri(uri) is None


@pytest.mark.spec("DCR-06", "DCR-07", "DCR-08")
@pytest.mark.parametrize("uri", REFUSED)
def test_may_not_be_registered(uri: str):
    """The table of allowlist bypasses, and CVE-2026-67333 (a javascript: redirect URI is stored script)."""
    with pytest.raises(OAuthError) as caught:
        check_redirect_uri(uri)
    assert (caught.value.error, caught.value.status) == ("invalid_redirect_uri", 400)
    assert caught.value.reason is reasons.REDIRECT_URI_INVALID


@pytest.mark.parametrize("uri", REFUSED)
def test_no_pattern_admits_what_may_not_be_registered(uri: str):
    """The same table against the widest list there can be; only a dotless scheme may be named by it."""
    everything = AllowedRedirectURIs(["https://*", "https://*:*", "loopback", "cursor:*", "cursor://*", "com.example.app:*"])
    assert not everything.admits(uri)


def test_the_error_names_the_uri_and_the_rule():
    """A client that registers several wants to know which."""
    with pytest.raises(OAuthError, match=r"'myapp:/cb'.*no dot"):
        check_redirect_uri("myapp:/cb")


@pytest.mark.spec("DCR-07")
def test_an_operator_may_admit_a_scheme_without_a_dot():
    assert check_redirect_uri("myapp://cb", allowed=AllowedRedirectURIs(["myapp://*"])) is None
    assert check_redirect_uri("myapp:/cb", allowed_schemes={"myapp"}) is None


def test_the_operators_list_is_a_limit_on_top_of_the_rules():
    allowed = AllowedRedirectURIs(["https://*.example/*"])
    assert check_redirect_uri(APP, allowed=allowed) is None
    with pytest.raises(OAuthError) as caught:
        check_redirect_uri("https://app.other/cb", allowed=allowed)
    assert caught.value.reason is reasons.REDIRECT_URI_NOT_ALLOWED
    with pytest.raises(OAuthError):
        check_redirect_uri("http://localhost/cb", allowed=AllowedRedirectURIs([]))


@pytest.mark.spec("AZ-02")
@pytest.mark.parametrize(
    "presented",
    [
        "https://app.example/callback/",
        "https://app.example/callback/more",
        "https://app.example/callbac",
        "https://app.example/callback?x=1",
        "https://app.example/callback?",
        "https://app.example/callback#",
        "https://app.example/Callback",
        "https://APP.example/callback",
        "HTTPS://app.example/callback",
        "https://app.example:443/callback",
        "https://app.example:8443/callback",
        "https://evil.example/callback",
        "https://app.example.evil.example/callback",
        "https://app.example/%63allback",
        "http://app.example/callback",
        "",
    ],
)
def test_comparison_is_by_string(presented: str):
    assert redirect_uri_matches(APP, APP)
    assert not redirect_uri_matches(APP, presented)
    assert find_registered([APP], presented) is None


@pytest.mark.spec("AZ-03")
@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]", "localhost"])
def test_the_port_of_a_loopback_uri_is_free(host: str):
    for registered in (f"http://{host}/cb?x=1", f"http://{host}:1234/cb?x=1"):
        for presented in (f"http://{host}/cb?x=1", f"http://{host}:5678/cb?x=1"):
            assert redirect_uri_matches(registered, presented)
            assert find_registered([APP, registered], presented) == presented


@pytest.mark.spec("AZ-03", "AZ-04")
@pytest.mark.parametrize(
    ("registered", "presented"),
    [
        ("http://127.0.0.1/cb", "http://localhost/cb"),
        ("http://localhost/cb", "http://127.0.0.1:80/cb"),
        ("http://127.0.0.1/cb", "http://[::1]:80/cb"),
        ("http://127.0.0.1/cb", "http://127.0.0.2:80/cb"),
        ("http://localhost/cb", "http://LOCALHOST:80/cb"),
        ("http://127.0.0.1/cb", "http://127.0.0.1:80/other"),
        ("http://127.0.0.1/cb", "http://127.0.0.1:80/cb/"),
        ("http://127.0.0.1/", "http://127.0.0.1:80"),
        ("http://127.0.0.1/cb", "http://127.0.0.1:80/cb?x=1"),
        ("http://127.0.0.1/cb?x=1", "http://127.0.0.1:80/cb"),
        ("http://127.0.0.1/cb?x=1", "http://127.0.0.1:80/cb?x=2"),
        ("http://127.0.0.1/cb", "http://127.0.0.1:80/cb?"),
        ("http://127.0.0.1/cb", "http://127.0.0.1:80/cb#"),
        ("http://127.0.0.1/cb", "https://127.0.0.1:80/cb"),
        ("https://127.0.0.1/cb", "https://127.0.0.1:80/cb"),
        ("https://app.example/cb", "http://127.0.0.1/cb"),
        ("https://app.example/cb", "https://app.example:80/cb"),
        ("http://127.0.0.1/cb", "http://app.example/cb"),
        ("http://127.0.0.1/cb", "http://user@127.0.0.1:80/cb"),
        ("http://127.0.0.1/cb", "http://127.0.0.1:80@evil.example/cb"),
        ("http://127.0.0.1/cb", "http://127.0.0.1:0/cb"),
        ("http://127.0.0.1/cb", "http://127.0.0.1:99999/cb"),
        ("http://127.0.0.1/cb", "http://127.0.0.1:/cb"),
        ("http://127.0.0.1/cb", "http://127.0.0.1:x/cb"),
        ("http://127.0.0.1/a/cb", "http://127.0.0.1:80/b/../a/cb"),
    ],
)
def test_nothing_but_the_port_is_free(registered: str, presented: str):
    """GHSA-rfq3-w54c-f9q5: query ignored, and loopback standing in for another registration."""
    assert not redirect_uri_matches(registered, presented)
    assert find_registered([registered], presented) is None


@pytest.mark.spec("AZ-05")
def test_it_may_be_left_out_where_there_is_one():
    assert find_registered([APP], None) == APP
    assert find_registered([APP, "https://app.example/two"], None) is None
    assert find_registered([], None) is None


@pytest.mark.spec("CI-06")
def test_a_registered_uri_is_no_pattern():
    assert find_registered(["https://app.example/*"], "https://app.example/x") is None
    assert find_registered(["http://localhost:*/cb"], "http://localhost:1/cb") is None


def test_loopback_spellings_are_one_for_a_client_that_lists_both():
    both = ["http://localhost/callback", "http://127.0.0.1/callback"]
    third = "http://[::1]:5000/callback"
    assert find_registered(both, third, loopback_spellings=True) == third
    assert find_registered(both, third) is None
    assert find_registered(both[:1], third, loopback_spellings=True) is None
    assert find_registered(both[:1], "http://127.0.0.1:5000/callback", loopback_spellings=True) is None
    assert find_registered(both, "http://[::1]:5000/other", loopback_spellings=True) is None
    assert find_registered(both, "https://app.example/callback", loopback_spellings=True) is None


@pytest.mark.parametrize(
    ("uri", "shown", "loopback", "private_use"),
    [
        (APP, "app.example", False, False),
        ("https://App.Example:8443/cb", "app.example:8443", False, False),
        ("http://localhost:8787/cb", "localhost:8787", True, False),
        ("http://[::1]/cb", "[::1]", True, False),
        ("https://localhost/cb", "localhost", True, False),
        ("com.evil.app://claude.ai/cb", "com.evil.app:", False, True),
        ("cursor://x/cb", "cursor:", False, True),
        ("localhost://127.0.0.1/", "localhost:", False, True),
        ("https://xn--bcher-kva.example/", "xn--bcher-kva.example", False, False),
        ("https://trusted.example@evil.example/", "evil.example", False, False),
        ("not a uri", "", False, False),
    ],
)
def test_what_a_consent_page_is_told(uri: str, shown: str, loopback: bool, private_use: bool):
    assert display_host(uri) == shown
    assert is_loopback(uri) is loopback
    assert is_private_use(uri) is private_use
