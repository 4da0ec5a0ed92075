"""Scopes per resource cannot be got around by another spelling of its URI, nor the guard be upset by a strange message."""

from __future__ import annotations

import json

import pytest
from tests.races.house import House

pytestmark = pytest.mark.anyio


@pytest.fixture
async def token_and_house() -> tuple[str, House]:
    scopes = {"resource:secret://*": ["admin"], "resource:FILE:///private/*": ["admin"], "danger": ["admin"]}
    house = House(options={"tool_scopes": scopes})
    return (await house.signed_in()).tokens["access_token"], house


async def status(house: House, token: str, message: object) -> int:
    headers = [(b"authorization", f"Bearer {token}".encode()), (b"content-type", b"application/json")]
    return (await house.request("POST", "/mcp", headers=headers, body=json.dumps(message).encode())).status


@pytest.mark.spec("RS-18")
@pytest.mark.parametrize(
    "uri",
    [
        "secret://one",
        "SECRET://one",
        "Secret://one",
        " secret://one",
        "secret://one\n",
        "sec\tret://one",
        "file:///private/x",
        "FILE:///private/x",
        "file:///public/../private/x",
        "file:///public/%2e%2e/private/x",
    ],
)
async def test_a_resource_in_another_spelling_needs_the_same_scopes(token_and_house, uri):
    """SDK 1.x reads URIs with a URL class that repairs them; the handler of ``secret://one`` answers all of these."""
    token, house = token_and_house
    assert await status(house, token, {"method": "resources/read", "params": {"uri": uri}}) == 403


@pytest.mark.parametrize("uri", ["public://one", "file:///public/x", "not a uri"])
async def test_other_resources_stay_open(token_and_house, uri):
    token, house = token_and_house
    assert await status(house, token, {"method": "resources/read", "params": {"uri": uri}}) == 200


@pytest.mark.parametrize("method", [[], {}, None, 1, ["tools/call"]])
async def test_a_method_that_is_no_text_is_for_the_server_to_refuse(token_and_house, method):
    token, house = token_and_house
    assert await status(house, token, {"method": method, "params": {"name": "danger"}}) == 200
