"""What a request may look like without the guard opening or falling over."""

from __future__ import annotations

import pytest
from tests.races.house import House, whoami

pytestmark = pytest.mark.anyio


@pytest.mark.spec("RS-01")
@pytest.mark.parametrize(("prefix", "path"), [("/mcp", "/mcp-server"), ("/m", "/mcp"), ("", "/mcp"), ("/api", "/mcp")])
async def test_a_prefix_is_made_of_whole_segments(prefix, path):
    """A prefix that only begins like the path (``root_path`` of a proxied application) must not hide it from the guard."""
    house = House(path=path)
    reached = []

    async def app(scope, receive, send):
        reached.append(scope["path"])
        await whoami(scope, receive, send)

    guarded = house.proxy.protect(app, path)

    async def below_a_prefix(scope, receive, send):
        await guarded({**scope, "root_path": prefix}, receive, send)

    house.app = below_a_prefix
    assert (await house.request("POST", path, body=b"{}")).status == 401
    assert reached == []


@pytest.mark.spec("RS-26")
@pytest.mark.parametrize("origin", [b"http://[", b"http://[::1", b"http://]", b"http://[x]", b"\xff", b"null", b""])
async def test_an_origin_that_is_none_is_refused_and_nothing_breaks(origin):
    house = House()
    assert (await house.request("POST", "/mcp", headers=[(b"origin", origin)])).status == 403
