"""One list of options: each means the same to every provider that is a bridge, by argument and by variable."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tests.flows.stage import BASE
from tests.providers.discovery import serve_documents
from tests.providers.fakes.registry import CASES, Case
from tests.providers.house import FAILED, House
from tests.unit.test_options import EXAMPLES

from vestibule.proxy.options import CommonOptions
from vestibule.testing.client import StepFailed
from vestibule.verifiers.key_pair import RSAKeyPair

pytestmark = pytest.mark.anyio

BRIDGES = [case for case in CASES if not case.remote]
OPTIONS = sorted(CommonOptions.__annotations__)
ITS_OWN = {("azure", "forward_resource"), ("auth0", "forward_resource")}
"""Where an option cannot do what it says: see the class."""

PRIVATE_KEY = RSAKeyPair.generate().private_key
TEXTS = {
    name: value if isinstance(value, str) else json.dumps(value)
    for name, value in EXAMPLES.items()
    if isinstance(value, str | bool | int | float | list | dict)
}

bridges = pytest.mark.parametrize("case", BRIDGES, ids=lambda case: case.name)


def example(name: str) -> Any:
    return {"upstream_private_key": PRIVATE_KEY, "page_templates": Path(__file__).parent, "forward_resource": True}.get(
        name, EXAMPLES[name]
    )


def built(case: Case, house: House, common: dict[str, Any], monkeypatch: pytest.MonkeyPatch, **options: Any) -> Any:
    """The options that reached the provider when it was built with these."""
    fake = case.fake(clock=house.clock)
    serve_documents(fake, monkeypatch)
    plain = type(case.build(fake, common))
    seen: list[Any] = []

    class Watched(plain):  # type: ignore[valid-type, misc]
        def _provider_rules(self, options: Any) -> Any:
            seen.append(options)
            return super()._provider_rules(options)

    with monkeypatch.context() as patch:
        patch.setitem(case.build.__globals__, plain.__name__, Watched)
        case.build(fake, {**common, **options})
    return seen[-1]


def reaches(given: Any, arrived: Any) -> bool:
    """Tables may come with the provider's own entries; everything else as it is."""
    return given.items() <= arrived.items() if isinstance(given, dict) else arrived is given or arrived == given


@bridges
async def test_every_option_reaches_every_provider(case: Case, house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    common, lost = house.common, []
    for name in OPTIONS:
        if (case.name, name) not in ITS_OWN:
            arrived = getattr(built(case, house, common, monkeypatch, **{name: example(name)}), name)
            if not reaches(example(name), arrived):
                lost.append((name, arrived))
    assert lost == []


@bridges
async def test_every_option_that_can_be_written_reaches_every_provider(
    case: Case, house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a variable, where it is nothing that only code can be."""
    prefix = f"VESTIBULE_{case.name.upper()}_"
    common, lost = house.common, []
    # An empty variable counts as not set.
    for name in sorted(name for name in TEXTS.keys() - common.keys() if TEXTS[name]):
        if (case.name, name) in ITS_OWN:
            continue
        with monkeypatch.context() as patch:
            patch.setenv(prefix + name.upper(), TEXTS[name])
            arrived = getattr(built(case, house, common, patch), name)
        if not reaches(EXAMPLES[name], arrived):
            lost.append((name, arrived))
    assert lost == []


@bridges
async def test_a_misspelt_option_is_an_error_everywhere(case: Case, house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    fake = case.fake(clock=house.clock)
    serve_documents(fake, monkeypatch)
    with pytest.raises(TypeError, match="valid_scpes"):
        case.build(fake, {**house.common, "valid_scpes": []})


@bridges
async def test_what_is_said_to_the_provider(case: Case, house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not only kept: sent."""
    fake = case.fake(clock=house.clock)
    house.apps.update(fake.apps)
    serve_documents(fake, monkeypatch)
    options = {
        "extra_authorize_params": {"connection": "staff"},
        "extra_token_params": {"trace": "on"},
        "token_endpoint_auth_method": "client_secret_post",
        "forward_pkce": False,
    }
    house.open(case.build(fake, {**house.common, **options}))
    client = await house.signed_in()
    asked = next(asked for asked in fake.asked if asked.form.get("response_type") == "code")
    assert asked.form["connection"] == "staff"
    assert "code_challenge" not in asked.form
    exchanged = next(asked for asked in fake.asked if asked.form.get("grant_type") == "authorization_code")
    assert exchanged.form["trace"] == "on"
    assert exchanged.form["client_secret"]
    assert "code_verifier" not in exchanged.form
    assert (await client.call_tool("whoami"))["subject"]


@bridges
async def test_a_private_key_takes_the_place_of_the_secret(case: Case, house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    fake = case.fake(clock=house.clock)
    house.apps.update(fake.apps)
    serve_documents(fake, monkeypatch)
    options = {"upstream_private_key": PRIVATE_KEY, "token_endpoint_auth_method": "private_key_jwt"}
    house.open(case.build(fake, {**house.common, **options}))
    with pytest.raises(FAILED):  # the fakes know secrets only
        await house.signed_in()
    exchanged = next(asked for asked in fake.asked if asked.form.get("grant_type") == "authorization_code")
    assert exchanged.form["client_assertion"].count(".") == 2
    assert "client_secret" not in exchanged.form


@bridges
async def test_what_clients_see(case: Case, house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    fake = case.fake(clock=house.clock)
    house.apps.update(fake.apps)
    serve_documents(fake, monkeypatch)
    options = {
        "issuer_url": f"{BASE}/",
        "redirect_path": "back",
        "valid_scopes": ["wide"],
        "tool_scopes": {"delete_*": ["admin"]},
        "service_documentation_url": "https://docs.example.com",
        "enable_cimd": False,
        "access_token_expiry_seconds": 60,
        "require_authorization_consent": False,
        "allowed_client_redirect_uris": ["http://127.0.0.1:*"],
    }
    auth = case.build(fake, {**house.common, **options})
    house.open(auth)
    document = (await house.http().get(f"{BASE}/.well-known/oauth-authorization-server")).json()
    assert document["issuer"] == f"{BASE}/"
    assert {"wide", "admin", *auth.required_scopes} <= set(document["scopes_supported"])
    assert document["service_documentation"] == "https://docs.example.com"
    assert not document.get("client_id_metadata_document_supported")
    client = await house.signed_in()
    assert client.tokens["expires_in"] == 60
    assert not any(page.url.startswith(f"{BASE}/consent") for page in client.user.pages)
    assert auth.redirect_path == "/back"
    with pytest.raises(StepFailed, match="redirect_uri"):
        await client.register(redirect_uris=["https://app.example/callback"])
