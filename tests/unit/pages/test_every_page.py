"""What holds for every page: headers, structure, contrast, and what may be replaced."""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Callable
from hashlib import sha256
from itertools import product
from pathlib import Path

import pytest
from starlette.responses import Response
from tests.unit.pages.dom import page
from tests.unit.pages.examples import EXAMPLES

from vestibule.errors import ConfigurationError
from vestibule.server.pages import Pages
from vestibule.server.pages.style import DARK, LIGHT

Example = Callable[..., Response]
every_page = pytest.mark.parametrize("example", EXAMPLES.values(), ids=EXAMPLES.keys())


def directives(response: Response) -> dict[str, str]:
    return dict(part.split(" ", 1) for part in response.headers["content-security-policy"].split("; "))


@every_page
@pytest.mark.spec("AZ-24", "AZ-25")
def test_headers_are_strict(example: Example) -> None:
    headers = example().headers
    assert headers["content-type"] == "text/html; charset=utf-8"
    assert headers["cache-control"] == "no-store"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["x-frame-options"] == "DENY"
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["x-robots-tag"] == "noindex"
    assert headers["content-language"] == "en"
    assert headers["cross-origin-opener-policy"] == "unsafe-none"  # a client's popup stays tied to its opener


@every_page
@pytest.mark.spec("AZ-25")
def test_the_policy_admits_the_stylesheet_and_nothing_else(example: Example) -> None:
    response = example()
    style = "".join(page(response).one("style").pieces)
    digest = b64encode(sha256(style.encode()).digest()).decode()
    assert directives(response) == {
        "default-src": "'none'",
        "style-src": f"'sha256-{digest}'",
        "form-action": "'self'",
        "base-uri": "'none'",
        "frame-ancestors": "'none'",
    }


@every_page
def test_nothing_is_loaded_run_or_styled_inline(example: Example) -> None:
    for element in page(example()).elements:
        assert element.tag not in {"script", "img", "link", "iframe", "object", "embed", "base", "use", "image"}
        assert not {name for name in element.attributes if name.startswith("on") or name in {"style", "src", "srcset"}}


@every_page
def test_structure_serves_screen_readers_and_phones(example: Example) -> None:
    document = page(example())
    assert document.one("html").attributes["lang"] == "en"
    assert document.one("title").text.endswith("– Notes")
    assert len(document.all("h1")) == len(document.all("main")) == len(document.all("header")) == 1
    assert document.one("meta", name="viewport").attributes["content"] == "width=device-width, initial-scale=1"
    assert document.one("svg").attributes["aria-hidden"] == "true"
    names = {element.attributes["id"] for element in document.elements if "id" in element.attributes}
    assert {e.attributes["aria-labelledby"] for e in document.elements if "aria-labelledby" in e.attributes} <= names


def test_the_stylesheet_knows_dark_motion_and_focus() -> None:
    style = page(EXAMPLES["error"]()).one("style").text
    for feature in ("prefers-color-scheme:dark", "prefers-reduced-motion", ":focus-visible", "color-scheme: light dark"):
        assert feature in style
    assert "url(" not in style
    assert "@import" not in style


def luminance(colour: str) -> float:
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    lighter, darker = sorted((luminance(one), luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


@pytest.mark.parametrize("scheme", [LIGHT, DARK], ids=["light", "dark"])
def test_contrast_is_enough_to_read_and_to_find_the_controls(scheme: dict[str, str]) -> None:
    readable = [
        *product(("text", "muted", "accent"), ("surface", "background")),
        ("accent_text", "accent"),
        ("notice_text", "notice"),
    ]
    for one, other in readable:  # WCAG 2.2 §1.4.3
        assert contrast(scheme[one], scheme[other]) >= 4.5, (one, other)
    assert contrast(scheme["control"], scheme["surface"]) >= 3  # WCAG 2.2 §1.4.11


def test_the_policy_can_be_replaced_or_left_out() -> None:
    given = EXAMPLES["error"](Pages(server_name="Notes", csp="default-src 'self'"))
    assert given.headers["content-security-policy"] == "default-src 'self'"
    none = EXAMPLES["error"](Pages(server_name="Notes", csp=""))
    assert "content-security-policy" not in none.headers
    assert none.headers["x-frame-options"] == "DENY"


def test_a_template_of_ones_own_comes_first_and_can_extend_the_built_in_one(tmp_path: Path) -> None:
    (tmp_path / "error.html").write_text(
        '{% extends "builtin/error.html" %}{% block mark %}<b>Acme {{ title }}</b>{% endblock %}'
    )
    pages = Pages(server_name="Notes", templates=tmp_path)
    document = page(EXAMPLES["error"](pages, title="<i>Too late</i>"))
    assert document.one("b").text == "Acme <i>Too late</i>"
    assert document.one("h1").text == "<i>Too late</i>"
    assert not page(EXAMPLES["continue"](pages)).all("b")


@every_page
def test_a_stylesheet_of_ones_own_is_admitted_by_the_policy(example: Example, tmp_path: Path) -> None:
    (tmp_path / "pages.css").write_text('main > p { color: var(--muted); } p::before { content: "<&"; }\n')
    response = example(Pages(server_name="Notes", templates=tmp_path))
    style = "".join(page(response).one("style").pieces)
    assert 'main > p { color: var(--muted); } p::before { content: "<&"; }' in style
    assert b64encode(sha256(style.encode()).digest()).decode() in directives(response)["style-src"]


def test_a_template_that_does_not_parse_is_found_at_the_start(tmp_path: Path) -> None:
    (tmp_path / "consent.html").write_text("{% if %}")
    with pytest.raises(ConfigurationError, match="templates"):
        Pages(server_name="Notes", templates=tmp_path)


def test_colours_can_be_replaced_for_light_and_dark() -> None:
    pages = Pages(server_name="Notes", colours={"accent": "#0a7", "dark_accent": "oklch(80% 0.1 200 / 90%)"})
    light, dark = re.findall(r"--accent:([^;]+);", page(EXAMPLES["error"](pages)).one("style").text)
    assert (light, dark) == ("#0a7", "oklch(80% 0.1 200 / 90%)")


@pytest.mark.parametrize(
    "value", ["#0a7", "#00AA77", "#00aa7780", "rgb(0, 170, 119)", "hsl(160deg 100% 33%)", "rgba(0,0,0,.5)"]
)
def test_colour_literals_are_taken(value: str) -> None:
    assert (
        f"--accent:{value};" in page(EXAMPLES["error"](Pages(server_name="Notes", colours={"accent": value}))).one("style").text
    )


@pytest.mark.parametrize(
    "value",
    [
        "",
        "#12",
        "#12345",
        "#00aa77;",
        "#00aa77}body{display:none",
        "url(https://evil.example/)",
        "rgb(url(x))",
        "var(--text)",
        "red;background:url(//evil.example)",
        "#0a7</style><script>alert(1)</script>",
        "rgb(0,0,0);}",
        "#00aa77\n",
    ],
)
def test_anything_but_a_colour_literal_is_refused(value: str) -> None:
    with pytest.raises(ConfigurationError, match="accent"):
        Pages(server_name="Notes", colours={"accent": value})


def test_an_unknown_colour_is_refused_with_the_names_there_are() -> None:
    with pytest.raises(ConfigurationError, match="background, surface, text"):
        Pages(server_name="Notes", colours={"acent": "#0a7"})
