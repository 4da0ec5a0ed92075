"""The scripted user, against pages of every kind that it has to know."""

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from vestibule.testing import ScriptedUser
from vestibule.testing.user import UnexpectedPage

pytestmark = pytest.mark.anyio

BASE = "http://127.0.0.1:8000"
BACK = "http://127.0.0.1:33418/callback"
CONSENT = """<form method="post" action=""><input type="hidden" name="csrf" value="a&amp;b">
<button name="action" value="deny">Deny</button><button name="action" value="approve">Allow</button></form>"""


class Site:
    """A site whose pages are given; it keeps the forms that it was sent."""

    def __init__(self, target: str = f"{BACK}?code=c") -> None:
        self.target = target
        self.forms: list[dict[str, str]] = []
        self.origins: list[str | None] = []

    def user(self, **options: object) -> ScriptedUser:
        routes = [
            Route("/start", lambda _: RedirectResponse("/hop")),
            Route("/hop", lambda _: RedirectResponse("consent?handle=1", status_code=303)),
            Route("/consent", self.consent, methods=["GET", "POST"]),
            Route("/on", lambda _: HTMLResponse(f'<p>Onwards</p><a id="continue" href="{self.target}">Go on</a>')),
            Route("/round", lambda _: RedirectResponse("/round")),
            Route("/circle", lambda _: HTMLResponse('<a id="continue" href="/circle">Go on</a>')),
            Route("/error", lambda _: HTMLResponse('<a href="/">Home</a>', status_code=403)),
        ]
        return ScriptedUser(apps={BASE: Starlette(routes=routes)}, **options)  # type: ignore[arg-type]

    async def consent(self, request: Request) -> Response:
        if request.method == "GET":
            page = HTMLResponse(CONSENT)
            page.set_cookie("login", "1", httponly=True)
            return page
        assert request.cookies["login"] == "1"
        assert request.query_params["handle"] == "1"
        self.forms.append({name: str(value) for name, value in (await request.form()).items()})
        self.origins.append(request.headers.get("origin"))
        return RedirectResponse("/on", status_code=303)


@pytest.mark.parametrize("decision", ["approve", "deny"])
async def test_whole_walk_with_cookies_form_and_interstitial(decision: str) -> None:
    site = Site()
    async with site.user(decision=decision) as user:
        assert await user.visit(f"{BASE}/start", BACK) == f"{BACK}?code=c"
    assert site.forms == [{"csrf": "a&b", "action": decision}]
    assert site.origins == [BASE]
    assert [page.url for page in user.pages] == [f"{BASE}/consent?handle=1", f"{BASE}/on"]


async def test_custom_scheme_is_where_it_stops() -> None:
    async with Site("cursor://anysphere.cursor/callback?code=c").user() as user:
        returned_to = await user.visit(f"{BASE}/on", "cursor://anysphere.cursor/callback")
    assert returned_to == "cursor://anysphere.cursor/callback?code=c"


async def test_page_that_leads_nowhere() -> None:
    async with Site().user() as user:
        with pytest.raises(UnexpectedPage, match="/error with HTTP 403") as stranded:
            await user.visit(f"{BASE}/error", BACK)
        assert stranded.value.page.status == 403
        assert await user.visit(f"{BASE}/error") == f"{BASE}/error"


@pytest.mark.parametrize("path", ["/round", "/circle"])
async def test_endless_ways_end(path: str) -> None:
    async with Site().user() as user:
        with pytest.raises(UnexpectedPage):
            await user.visit(BASE + path, BACK)
