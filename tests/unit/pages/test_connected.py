"""What a person reads about connected apps, and what the buttons post."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from starlette.responses import Response
from tests.unit.pages.dom import Document, page
from tests.unit.pages.examples import NOW, USED, a_sign_in, connections

from vestibule.server.pages import LastUsed, Pages
from vestibule.server.pages.connected import moment

LOOPBACK = {"redirect_uri": "http://127.0.0.1:33418/callback", "redirect_kind": "loopback"}
CUSTOM = {"redirect_uri": "cursor://anysphere.cursor-mcp/oauth/callback", "redirect_kind": "custom"}


def rows(document: Document) -> dict[str, str]:
    """The rows of the only app."""
    terms = [term.text for term in document.all("dt")]
    return dict(zip(terms, [row.text for row in document.all("dd")], strict=True))


def posted(document: Document) -> list[dict[str, str]]:
    """What each form would send."""
    forms: list[dict[str, str]] = []
    for element in document.elements:
        if element.tag == "form":
            assert element.attributes["method"] == "post"
            assert element.attributes["action"] == "connections"
            forms.append({})
        if element.tag in ("input", "button"):
            forms[-1][element.attributes["name"]] = element.attributes["value"]
    return forms


def test_an_app_is_told_by_name_times_place_and_scopes() -> None:
    document = page(connections())
    assert document.one("h2").text == "Claude"
    assert rows(document) == {
        "Connected": "10 Jan 2027, 08:00 UTC (5 days ago)",
        "Last used": "15 Jan 2027, 05:58 UTC (2 hours ago) from 198.51.100.7 by Claude-User",
        "Runs at": "claude.ai",
        "May use": "https://notes.example/mcp with notes:read, notes:write",
    }
    assert "Signed in as alice@example.com" in document.text


def test_times_are_there_for_programs_too() -> None:
    document = page(connections())
    assert [time.attributes["datetime"] for time in document.all("time")] == ["2027-01-10T08:00:00Z", "2027-01-15T05:58:20Z"]


@pytest.mark.parametrize(
    ("app", "name", "runs_at"),
    [
        ({"name": "", **LOOPBACK}, "An app on your computer", "The computer that you connected it on (127.0.0.1:33418)"),
        ({"name": "", **CUSTOM}, "The app for cursor: links", "The device that opens cursor: links with it"),
        ({"name": ""}, "claude.ai", "claude.ai"),
        ({"name": "", "client_id_host": "publisher.example"}, "publisher.example", "claude.ai described at publisher.example"),
        ({"name": " \u200b\u202e "}, "claude.ai", "claude.ai"),
    ],
)
def test_an_app_without_a_name_is_told_by_where_it_is(app: dict[str, str], name: str, runs_at: str) -> None:
    document = page(connections(apps=[app]))
    assert document.one("h2").text == name
    assert rows(document)["Runs at"] == runs_at


def test_an_app_that_was_not_used_says_so() -> None:
    assert rows(page(connections(apps=[{"last_used": None}])))["Last used"] == "Not yet"


@pytest.mark.parametrize(
    ("used", "said"),
    [
        ({"address": ""}, "15 Jan 2027, 05:58 UTC (2 hours ago) by Claude-User"),
        ({"agent": ""}, "15 Jan 2027, 05:58 UTC (2 hours ago) from 198.51.100.7"),
        ({"address": "", "agent": ""}, "15 Jan 2027, 05:58 UTC (2 hours ago)"),
    ],
)
def test_what_is_not_known_of_the_last_use_is_left_out(used: dict[str, str], said: str) -> None:
    assert rows(page(connections(apps=[{"last_used": LastUsed(**USED | used)}])))["Last used"] == said


def test_a_long_name_is_cut_and_what_cannot_be_seen_is_left_out() -> None:
    document = page(
        connections(apps=[{"name": "wo\u202erd " * 100, "last_used": LastUsed(**USED | {"agent": "a\u2066b\x1b"})}])
    )
    assert document.one("h2").text.count("word") == 16
    assert all(character.isprintable() for character in document.text)


def test_every_button_posts_its_own_proof() -> None:
    document = page(connections(apps=[{}, {"connection": "grant-5", "proof": "proof-5"}]))
    assert posted(document) == [
        {"csrf_token": "proof-4", "action": "sign_out"},
        {"csrf_token": "proof-2", "connection": "grant-1", "action": "disconnect"},
        {"csrf_token": "proof-5", "connection": "grant-5", "action": "disconnect"},
        {"csrf_token": "proof-3", "action": "disconnect_all"},
    ]
    assert posted(page(a_sign_in())) == [{"csrf_token": "proof-1", "action": "sign_in"}]


def test_each_disconnect_button_is_described_by_its_app() -> None:
    document = page(connections(apps=[{}, {"name": "Second"}]))
    headings = {heading.attributes["id"]: heading.text for heading in document.all("h2")}
    buttons = document.all("button", value="disconnect")
    assert [headings[button.attributes["aria-describedby"]] for button in buttons] == ["Claude", "Second"]


def test_disconnecting_all_takes_two_steps_and_is_offered_where_there_are_several() -> None:
    assert not page(connections()).all("details")
    document = page(connections(apps=[{}, {}]))
    assert "open" not in document.one("details").attributes
    assert "Disconnect all apps" in document.one("details").text


@pytest.mark.parametrize(("more", "said"), [(1, "1 older connection is not shown"), (7, "7 older connections are not shown")])
def test_more_than_are_shown_are_counted(more: int, said: str) -> None:
    document = page(connections(apps=[{}, {}], more=more))
    assert said in document.text
    assert "those that are not shown included" in document.one("details").text


@pytest.mark.parametrize(("name", "show"), [("sign_in", a_sign_in), ("connections", connections)])
def test_a_template_of_ones_own_takes_its_place(name: str, show: Callable[..., Response], tmp_path: Path) -> None:
    (tmp_path / f"{name}.html").write_text(
        f'{{% extends "builtin/{name}.html" %}}{{% block mark %}}<b>Acme</b>{{% endblock %}}'
    )
    document = page(show(Pages(server_name="Notes", templates=tmp_path)))
    assert document.one("b").text == "Acme"
    assert posted(document) == posted(page(show()))


def test_nothing_connected_is_said() -> None:
    document = page(connections(apps=()))
    assert "No app is connected to your account." in document.text
    assert posted(document) == [{"csrf_token": "proof-4", "action": "sign_out"}]


@pytest.mark.parametrize(
    ("notice", "title", "said"),
    [
        ("disconnected", "Disconnected – Notes", "The app is disconnected."),
        ("all_disconnected", "Disconnected – Notes", "All apps are disconnected."),
        (None, "Your connected apps – Notes", None),
    ],
)
def test_what_has_just_happened_is_said_in_title_and_text(notice: str | None, title: str, said: str | None) -> None:
    document = page(connections(notice=notice))
    assert document.one("title").text == title
    assert [status.text.startswith(said or "") for status in document.all("p", role="status")] == ([True] if said else [])


def test_the_sign_in_names_the_provider_where_it_has_a_name() -> None:
    assert page(a_sign_in()).one("button").text == "Sign in with Example ID"
    assert page(a_sign_in(upstream_name=None)).one("button").text == "Sign in"
    assert "Your apps stay connected." in page(a_sign_in(notice="signed_out")).text
    assert "nothing was changed" in page(a_sign_in(notice="session_ended")).text


@pytest.mark.parametrize(
    ("seconds", "ago"),
    [
        (-5, "in the last hour"),
        (3599, "in the last hour"),
        (3600, "1 hour ago"),
        (47 * 3600, "47 hours ago"),
        (48 * 3600, "2 days ago"),
        (400 * 86_400, "400 days ago"),
    ],
)
def test_how_long_ago(seconds: float, ago: str) -> None:
    assert moment(NOW - seconds, NOW).ago == ago
