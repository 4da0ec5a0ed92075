"""Errors, and the way on."""

from __future__ import annotations

import pytest
from tests.unit.pages.dom import page
from tests.unit.pages.examples import a_continue, an_error

from vestibule.errors import ConfigurationError, OAuthError
from vestibule.server.pages import Pages

REFUSED = [
    "javascript:alert(1)",
    "JavaScript:alert(1)",
    "java\tscript:alert(1)",
    "\x01javascript:alert(1)",
    " javascript:alert(1)",
    "javascript://app.example/%0aalert(1)",
    "data:text/html,<script>alert(1)</script>",
    "vbscript:msgbox(1)",
    "file:///etc/passwd",
    "blob:https://app.example/1",
    "view-source:https://app.example/",
    "about:blank",
    "unknownapp://callback",
    "//app.example/callback",
    "/callback",
    "",
    "https:",
    "https:///callback",
    "https://claude.ai@evil.example/",
    "https://evil.example\\@claude.ai/",
    "https://app.example:port/",
    "https://[::1/callback",
    "https://app.example/a b",
    "https://app.example/\n",
    "https://ápp.example/",
    'https://app.example/"',
    "https://app.example/<b>",
]
ODD = [
    "https://app.example/cb?a=1&b=2;c='x'&amp;&lt=%3Cb%3E&copy=1",
    "https://app.example/cb?state=" + "x" * 6000,
    "https://app.example/cb?q=;url=https://evil.example/",
    "https://app.example/cb?code=a%22%3E#part",
    "http://localhost:33418/callback?code=x&state=y",
    "http://[::1]:33418/callback",
    "cursor://anysphere.cursor-mcp/oauth/callback?code=x&state='y'",
    "com.example.app:/callback?code=x",
]


@pytest.mark.parametrize("url", ODD)
def test_the_way_on_carries_the_url_unchanged_twice(url: str) -> None:
    document = page(a_continue(url=url))
    assert document.one("a", id="continue").attributes["href"] == url
    refresh = [e for e in document.all("meta") if e.attributes.get("http-equiv") == "refresh"]
    assert [element.attributes["content"] for element in refresh] == [f"0; url={url}"]


@pytest.mark.parametrize("url", REFUSED)
def test_the_way_on_never_leads_to_what_a_browser_would_run_or_misread(url: str) -> None:
    with pytest.raises(OAuthError) as refusal:
        a_continue(url=url)
    assert refusal.value.reason.code == "redirect_uri_invalid"
    assert not url or url not in str(refusal.value)


def test_a_scheme_that_the_operator_admits_is_followed() -> None:
    pages = Pages(server_name="Notes", schemes={"unknownapp"})
    assert page(a_continue(pages, url="unknownapp://callback")).one("a").attributes["href"] == "unknownapp://callback"


@pytest.mark.parametrize("scheme", ["javascript", "data", "https", "file", "cursor:", "Cursor", ""])
def test_a_scheme_of_the_browser_itself_cannot_be_admitted(scheme: str) -> None:
    with pytest.raises(ConfigurationError, match="schemes"):
        Pages(server_name="Notes", schemes={scheme})


@pytest.mark.parametrize(
    ("kind", "url", "label", "hint"),
    [
        ("provider", "https://id.example/authorize", "Continue to id.example", "use the button"),
        ("web", "https://claude.ai/cb", "Continue to claude.ai", "use the button"),
        ("loopback", "http://127.0.0.1:1/cb", "Back to the app on this computer", "stopped waiting"),
        ("custom", "cursor://x/cb", "Open the app", "Your browser may ask whether to open the app for cursor: links"),
    ],
)
def test_the_way_on_says_what_will_happen(kind: str, url: str, label: str, hint: str) -> None:
    response = a_continue(url=url, kind=kind)
    document = page(response)
    assert response.status_code == 200
    assert document.one("h1").text == "On to sign-in"
    assert "You sign in with Example ID next." in document.text
    assert document.one("a").text == label
    assert hint in document.text


def test_only_a_custom_scheme_leaves_a_tab_to_close() -> None:
    assert "close this tab" in page(a_continue(url="cursor://x/cb", kind="custom")).text
    assert "close this tab" not in page(a_continue()).text


def test_an_error_says_what_happened_what_to_do_and_the_request_id() -> None:
    response = an_error(status=503)
    document = page(response)
    assert response.status_code == 503
    assert document.one("h1").text == "The sign-in took too long"
    assert "open for more than ten minutes" in document.text
    assert "Start again from your app." in document.text
    assert [entry.text for entry in document.all("dd")] == ["login_expired", "req-7f3a"]


def test_an_error_links_back_only_when_told_where() -> None:
    assert not page(an_error()).all("a")
    link = page(an_error(return_url="https://app.example/?error=x&state=y", return_label="Back to Claude")).one("a")
    assert (link.attributes["href"], link.text) == ("https://app.example/?error=x&state=y", "Back to Claude")


@pytest.mark.parametrize("url", REFUSED)
def test_an_error_page_leaves_out_a_link_that_it_must_not_show(url: str) -> None:
    assert not page(an_error(return_url=url)).all("a")
