"""``/healthz`` and ``/readyz`` with every provider that is a bridge: the provider is found to answer, and to be away."""

from __future__ import annotations

import pytest
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from tests.flows.stage import BASE
from tests.providers.discovery import serve_documents
from tests.providers.fakes.registry import CASES, Case
from tests.providers.house import House

from vestibule.providers.in_memory import InMemoryOAuthProvider

pytestmark = pytest.mark.anyio

BRIDGES = [case for case in CASES if not case.remote]


async def out_of_order(request: object) -> PlainTextResponse:
    return PlainTextResponse("out of order", 503)


@pytest.mark.parametrize("case", BRIDGES, ids=lambda case: case.name)
async def test_health_behind_every_provider(case: Case, house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    fake = case.fake(clock=house.clock)
    house.apps.update(fake.apps)
    serve_documents(fake, monkeypatch)
    house.open(case.build(fake, house.common))
    http = house.http()
    assert (await http.get(f"{BASE}/healthz")).json() == {"status": "ok"}
    report = (await http.get(f"{BASE}/readyz")).json()
    assert (report["status"], report["provider"]["status"], report["provider"]["discovered"]) == ("ok", "ok", True), report
    broken = Starlette(routes=[Route("/{path:path}", out_of_order, methods=["GET", "POST"])])
    house.apps.update(dict.fromkeys(fake.apps, broken))
    house.open(case.build(fake, house.common))
    answer = await house.http().get(f"{BASE}/readyz")
    assert (answer.status_code, answer.json()["status"], answer.json()["provider"]["status"]) == (200, "degraded", "failing")


async def test_health_of_the_provider_in_memory(house: House) -> None:
    house.open(InMemoryOAuthProvider(base_url=BASE, clock=house.clock))
    assert (await house.http().get(f"{BASE}/readyz")).json()["status"] == "ok"
