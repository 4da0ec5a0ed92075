"""CVE-2025-62800 and its kin: markup in whatever a page shows must stay text."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import pytest
from starlette.responses import Response
from tests.unit.pages.dom import Document, page
from tests.unit.pages.examples import USED, a_consent, a_continue, a_sign_in, an_error, connections

from vestibule.errors import OAuthError
from vestibule.server.pages import LastUsed, Pages

PAYLOADS = [
    "<script>alert(1)</script>",
    "</title><script>alert(1)</script>",
    "</style><script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "<svg/onload=alert(1)>",
    '"><script>alert(1)</script>',
    "'><script>alert(1)</script>",
    '" onmouseover="alert(1)" x="',
    "' onmouseover='alert(1)' x='",
    '" autofocus onfocus=alert(1) x=',
    'x" formaction="https://evil.example',
    "<base href=https://evil.example/>",
    '<meta http-equiv="refresh" content="0;url=https://evil.example">',
    "<form action=https://evil.example><button>",
    "</form></main></body></html><h1>Done</h1>",
    "<!--",
    "--><b>x</b>",
    "<![CDATA[<b>x</b>]]>",
    "&lt;script&gt;alert(1)&lt;/script&gt;",
    "&#60;script&#62;",
    "{{ 7 * 7 }}{% raw %}",
    "{{ ''.__class__.__mro__ }}",
    "${7*7}",
    "\ufe64script\ufe65",
    "\uff1cscript\uff1e",
    "+ADw-script+AD4-alert(1)+ADw-/script+AD4-",
    "\x00<scr\x00ipt>",
    "<scr\u200bipt>alert(1)</scr\u200bipt>",
    "a\r\nSet-Cookie: x=y",
    "\ud800<b>",
    "\u202e<b>\u2066",
    "javascript:alert(1)",
]
# A URL may hold these as they are; the other payloads it may hold only percent-encoded.
IN_A_URL = ["'onmouseover='alert(1)'", "&quot;&gt;&lt;script&gt;", "&#34;onfocus=alert(1)", "';url=javascript:alert(1)"]

SHOWN_IN: dict[str, Callable[[Any], Response]] = {
    "consent client_name": lambda x: a_consent(client={"client_name": x}),
    "consent client_name, configured": lambda x: a_consent(client={"client_name": x, "is_configured": True}),
    "consent client_id_host": lambda x: a_consent(client={"client_id_host": x}),
    "consent scope": lambda x: a_consent(scopes=[x]),
    "consent resource": lambda x: a_consent(resource=x),
    "consent hidden name": lambda x: a_consent(hidden={x: "y"}),
    "consent hidden value": lambda x: a_consent(hidden={"state": x}),
    "consent upstream_name": lambda x: a_consent(upstream_name=x),
    "consent warning": lambda x: a_consent(warnings=[x]),
    "error title": lambda x: an_error(title=x),
    "error what_happened": lambda x: an_error(what_happened=x),
    "error what_to_do": lambda x: an_error(what_to_do=x),
    "error request_id": lambda x: an_error(request_id=x),
    "error reason_code": lambda x: an_error(reason_code=x),
    "error return_label": lambda x: an_error(return_url="https://app.example/", return_label=x),
    "continue title": lambda x: a_continue(title=x),
    "continue explanation": lambda x: a_continue(explanation=x),
    "sign in upstream_name": lambda x: a_sign_in(upstream_name=x),
    "sign in proof": lambda x: a_sign_in(proof=x),
    "connections account": lambda x: connections(account=x),
    "connections name": lambda x: connections(apps=[{"name": x}]),
    "connections client_id_host": lambda x: connections(apps=[{"name": "", "client_id_host": x}]),
    "connections connection": lambda x: connections(apps=[{"connection": x, "proof": x}]),
    "connections proof": lambda x: connections(apps=[{}, {}], proofs={"sign_out": x, "disconnect_all": x}),
    "connections scope": lambda x: connections(apps=[{"scopes": (x,)}]),
    "connections resource": lambda x: connections(apps=[{"resource": x}]),
    "connections redirect_uri": lambda x: connections(apps=[{"redirect_uri": x}]),
    "connections redirect host": lambda x: connections(apps=[{"name": "", "redirect_uri": f"https://{x}/cb"}]),
    "connections loopback": lambda x: connections(apps=[{"redirect_uri": f"http://{x}/", "redirect_kind": "loopback"}]),
    "connections address": lambda x: connections(apps=[{"last_used": LastUsed(**{**USED, "address": x})}]),
    "connections agent": lambda x: connections(apps=[{"last_used": LastUsed(**{**USED, "agent": x})}]),
    "consent server_name": lambda x: a_consent(Pages(server_name=x)),
    "error server_name": lambda x: an_error(Pages(server_name=x)),
    "connections server_name": lambda x: connections(Pages(server_name=x)),
}
LINKED_IN: dict[str, Callable[[str], Response]] = {
    "consent redirect_uri": lambda x: a_consent(client={"redirect_uri": f"https://app.example/{x}"}),
    "consent custom scheme": lambda x: a_consent(client={"redirect_uri": f"cursor://cb/?state={x}"}, redirect_kind="custom"),
    "error return_url": lambda x: an_error(return_url=f"https://app.example/?error={x}"),
    "continue url": lambda x: a_continue(url=f"https://app.example/?state={x}"),
    "continue custom scheme": lambda x: a_continue(url=f"cursor://cb/?state={x}", kind="custom"),
}


def assert_only_the_form_of(document: Document, harmless: Document) -> None:
    assert document.shape == harmless.shape
    for element in document.elements:
        assert not [name for name in element.attributes if name.startswith("on") or name == "formaction"]


@pytest.mark.spec("DCR-14")
@pytest.mark.parametrize("show", SHOWN_IN.values(), ids=SHOWN_IN.keys())
@pytest.mark.parametrize("payload", PAYLOADS, ids=ascii)
def test_a_payload_is_shown_as_text(payload: str, show: Callable[[str], Response]) -> None:
    response = show(payload)
    assert_only_the_form_of(page(response), page(show("harmless")))
    assert "script-src" not in response.headers["content-security-policy"]
    assert response.headers["content-security-policy"].startswith("default-src 'none'")


@pytest.mark.parametrize("show", LINKED_IN.values(), ids=LINKED_IN.keys())
@pytest.mark.parametrize("payload", [*IN_A_URL, *(quote(payload, errors="replace") for payload in PAYLOADS)])
def test_a_payload_in_a_link_stays_in_its_attribute(payload: str, show: Callable[[str], Response]) -> None:
    assert_only_the_form_of(page(show(payload)), page(show("harmless")))


@pytest.mark.parametrize("payload", [payload for payload in PAYLOADS if set(payload) & set('<>"\\ {\x00')], ids=ascii)
def test_a_payload_that_no_url_can_hold_is_refused_and_an_error_page_drops_it(payload: str) -> None:
    with pytest.raises(OAuthError):
        a_continue(url=f"https://app.example/?state={payload}")
    with pytest.raises(OAuthError):
        a_consent(client={"redirect_uri": f"https://app.example/{payload}"})
    assert page(an_error(return_url=f"https://app.example/?error={payload}")).shape == page(an_error()).shape


@pytest.mark.parametrize("payload", ["<script>alert(1)</script>", "{{ 7 * 7 }}", "a & b &amp; c"])
def test_a_name_is_shown_as_it_was_given(payload: str) -> None:
    assert f"“{payload}”" in page(a_consent(client={"client_name": payload})).text
