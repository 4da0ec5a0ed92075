"""What a person is told before deciding, and what the decision posts."""

from __future__ import annotations

import pytest
from tests.unit.pages.dom import page
from tests.unit.pages.examples import a_consent

from vestibule.errors import OAuthError

LOOPBACK = {"redirect_uri": "http://127.0.0.1:33418/callback"}
CUSTOM = {"redirect_uri": "cursor://anysphere.cursor-mcp/oauth/callback"}


@pytest.mark.spec("PX-02", "CI-10")
@pytest.mark.parametrize(
    ("redirect_uri", "kind", "shown"),
    [
        ("https://claude.ai/api/mcp/auth_callback", "web", "claude.ai"),
        ("https://Claude.AI:8443/cb", "web", "claude.ai:8443"),
        ("http://127.0.0.1:33418/callback", "loopback", "127.0.0.1:33418"),
        ("http://[::1]:33418/callback", "loopback", "[::1]:33418"),
        ("cursor://anysphere.cursor-mcp/oauth/callback", "custom", "cursor:"),
        ("com.example.app:/callback", "custom", "com.example.app:"),
    ],
)
def test_the_redirect_host_or_scheme_comes_first_in_the_headline(redirect_uri: str, kind: str, shown: str) -> None:
    document = page(a_consent(client={"redirect_uri": redirect_uri}, redirect_kind=kind))
    (headline,) = document.all("h1")
    assert headline.text.startswith(f"{shown} ")
    main = document.one("main").text
    assert main.index(shown) < main.index("Claude”")
    assert shown in document.one("title").text


@pytest.mark.spec("PX-02")
def test_scopes_resource_redirect_uri_and_provider_are_named() -> None:
    document = page(a_consent())
    assert [item.text for item in document.all("li")] == ["notes:read", "notes:write"]
    assert [entry.text for entry in document.all("dd")] == [
        "https://notes.example/mcp",
        "https://claude.ai/api/mcp/auth_callback",
    ]
    assert "you sign in with Example ID next" in document.text


def test_no_scope_is_said_rather_than_shown_as_an_empty_list() -> None:
    document = page(a_consent(scopes=()))
    assert not document.all("ul")
    assert "without any particular scope" in document.text


def test_a_self_asserted_name_is_marked_as_such() -> None:
    assert "It calls itself “Claude”. It chose that name itself; nobody has checked it." in page(a_consent()).text


def test_a_name_that_the_operator_gave_is_not_doubted() -> None:
    text = page(a_consent(client={"is_configured": True})).text
    assert "set up by the operator of this server as “Claude”" in text
    assert "calls itself" not in text


def test_a_missing_name_is_said() -> None:
    assert "It gave no name." in page(a_consent(client={"client_name": None})).text


@pytest.mark.spec("CI-10")
def test_the_host_of_a_client_document_is_shown_beside_the_redirect_host() -> None:
    text = page(a_consent(client={"client_id_host": "publisher.example"})).text
    assert "published at publisher.example" in text
    assert "claude.ai" in text


def test_loopback_is_explained() -> None:
    text = page(a_consent(client=LOOPBACK, redirect_kind="loopback")).text
    assert "Anyone on it, and any program running on it, can pose as that app" in text
    assert "cannot be checked" not in text


@pytest.mark.spec("CI-10")
def test_a_document_client_on_loopback_is_warned_of() -> None:
    client = LOOPBACK | {"client_id_host": "claude.ai"}
    assert (
        "That the app really comes from claude.ai cannot be checked."
        in page(a_consent(client=client, redirect_kind="loopback")).text
    )


def test_a_custom_scheme_is_explained() -> None:
    text = page(a_consent(client=CUSTOM, redirect_kind="custom")).text
    assert "whichever app opens cursor: links on this device" in text


def test_a_web_client_without_warnings_gets_no_notice() -> None:
    assert not page(a_consent()).all("section")


def test_warnings_are_shown_before_the_buttons() -> None:
    document = page(a_consent(warnings=["This app was registered today."]))
    assert "This app was registered today." in document.one("section").text
    tags = [element.tag for element in document.elements]
    assert tags.index("section") < tags.index("button")


@pytest.mark.spec("PX-03")
def test_the_form_posts_the_decision_and_the_hidden_fields_to_its_own_url() -> None:
    document = page(a_consent(hidden={"csrf_token": "proof-1", "login": "sealed-2"}))
    form = document.one("form")
    assert form.attributes == {"method": "post", "action": ""}
    hidden = {field.attributes["name"]: field.attributes["value"] for field in document.all("input", type="hidden")}
    assert hidden == {"csrf_token": "proof-1", "login": "sealed-2"}
    buttons = {(b.attributes["name"], b.attributes["value"], b.attributes["type"]): b.text for b in document.all("button")}
    assert buttons == {("action", "deny", "submit"): "Deny", ("action", "approve", "submit"): "Allow"}


def test_enter_in_the_form_denies() -> None:
    # The first submit button is the one that implicit submission uses (HTML, implicit submission).
    first = page(a_consent(remembered_option=True)).all("button")[0]
    assert first.attributes["value"] == "deny"


def test_remembering_is_offered_only_when_asked_for_and_never_preset() -> None:
    assert not page(a_consent()).all("input", type="checkbox")
    document = page(a_consent(remembered_option=True))
    box = document.one("input", type="checkbox")
    assert (box.attributes["name"], box.attributes["value"]) == ("remember", "yes")
    assert "checked" not in box.attributes
    assert document.one("label").attributes["for"] == box.attributes["id"]


def test_a_long_name_is_cut() -> None:
    text = page(a_consent(client={"client_name": "word " * 100})).text
    assert "“word word" in text
    assert text.count("word") == 16
    assert "…”" in text


@pytest.mark.parametrize("name", ["Cla\u202eedu\u202c", "Cla\u200bude\u2066", "Claude\x00\x1b", "Cla\ud800ude", "Clau\ufeffde"])
def test_characters_that_cannot_be_seen_are_left_out(name: str) -> None:
    text = page(a_consent(client={"client_name": name})).text
    assert all(character.isprintable() for character in text)
    assert "“Cla" in text


@pytest.mark.parametrize(
    "uri", ["javascript:alert(1)", "data:text/html,x", "https://claude.ai@evil.example/", "https://evil.example\\@claude.ai/"]
)
def test_a_redirect_uri_that_misleads_is_not_shown_at_all(uri: str) -> None:
    with pytest.raises(OAuthError) as refusal:
        a_consent(client={"redirect_uri": uri})
    assert uri not in str(refusal.value)
