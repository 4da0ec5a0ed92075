"""What tokens of each provider look like, and what is made of them: ours are accepted, and everything else has its reason."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from starlette.requests import Request
from starlette.responses import JSONResponse
from tests.flows.stage import BASE
from tests.providers.discovery import serve_documents
from tests.providers.fakes.registry import CASES, Case
from tests.providers.house import House

from vestibule.errors import TokenRejected, Unavailable
from vestibule.providers.discord import DiscordTokenVerifier
from vestibule.providers.github import GitHubTokenVerifier
from vestibule.providers.google import GoogleTokenVerifier
from vestibule.proxy.oidc_proxy import OIDCProxy
from vestibule.testing import FakeClock
from vestibule.verifiers.base import TokenVerifier

pytestmark = pytest.mark.anyio

FOLDER = Path(__file__).parent / "vectors"
ELSEWHERE = {"authkit", "azure", "workos"}
"""Their vectors have fields of their own, and tests beside those of the provider."""

BY_NAME = {case.name: case for case in CASES}


def vectors(kind: str) -> Iterator[Any]:
    for path in sorted(FOLDER.glob("*.json")):
        if path.stem in BY_NAME and path.stem not in ELSEWHERE:
            for vector in json.loads(path.read_text(encoding="utf-8"))[kind]:
                yield pytest.param(BY_NAME[path.stem], vector, id=f"{path.stem}: {vector['name']}")


@pytest.fixture
def checked(house: House, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Checks the token of a vector as the provider of a case does."""

    def check(case: Case, vector: dict[str, Any]) -> Any:
        fake = case.fake(clock=house.clock)
        house.apps.update(fake.apps)
        serve_documents(fake, monkeypatch)
        by_origin: dict[str, dict[str, Any]] = {}
        for url, answer in vector.get("answers", {}).items():
            parts = urlsplit(url)
            by_origin.setdefault(f"{parts.scheme}://{parts.netloc}", {})[parts.path] = _now(answer, house.clock)
        for origin, answers in by_origin.items():
            house.apps[origin] = _answering(answers)
        return _verifier(case, fake, house, vector.get("options", {})).check_token(_token(fake, vector, house))

    return check


def _verifier(case: Case, fake: Any, house: House, options: dict[str, Any]) -> TokenVerifier:
    given = {"http_client": house.http(), "clock": house.clock}
    match case.name:
        case "github":
            return GitHubTokenVerifier(client_id=fake.client_id, client_secret="secret", **given)
        case "google":
            return GoogleTokenVerifier(client_id=fake.client_id, **given)
        case "discord":
            return DiscordTokenVerifier(client_id=fake.client_id, **given)
    common = {"base_url": BASE, **given} if case.remote else house.common
    auth = _build(case, fake, {**common, **options})
    auth.set_mcp_path("/mcp")
    audience = fake.audience if case.name == "auth0" else options.get("audience")
    return auth.get_token_verifier(audience=audience) if isinstance(auth, OIDCProxy) else auth.token_verifier


def _build(case: Case, fake: Any, options: dict[str, Any]) -> Any:
    """A vector may replace what the case gives."""
    fixed = {"config_url"} & options.keys()
    if not fixed:
        return case.build(fake, options)
    provider = type(case.build(fake, {name: value for name, value in options.items() if name not in fixed}))
    return provider(**options)


def _token(fake: Any, vector: dict[str, Any], house: House) -> str:
    claims = vector.get("claims_of_token") or (vector.get("claims") if "token" not in vector else None)
    if claims is None:
        return str(vector["token"])
    times = {"exp": int(house.clock.now()) - 60} if vector.get("expired") else {}
    return str(vector.get("prefix", "") + fake.sign(claims, **times))


def _now(answer: Any, clock: FakeClock) -> Any:
    """The answer with times of now in place of their names."""
    now = int(clock.now())
    text = json.dumps(answer).replace('"$future_number"', str(now + 3000))
    return json.loads(text.replace("$future", str(now + 3000)).replace("$past", str(now - 3000)))


def _answering(answers: dict[str, Any]) -> Any:
    """An application that says what the vector says, and nothing about anything else."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        answer = answers.get(Request(scope).url.path)
        assert answer is not None, f"{Request(scope).url.path} should not be asked"
        response = JSONResponse(answer.get("json"), answer["status"], answer.get("headers"))
        await response(scope, receive, send)

    return app


@pytest.mark.parametrize(("case", "vector"), list(vectors("accepted")))
async def test_tokens_for_us_are_accepted(case: Case, vector: dict[str, Any], checked: Any) -> None:
    caller = await checked(case, vector)
    assert caller.subject == vector["subject"]
    assert sorted(caller.scopes) == sorted(vector["scopes"])
    assert vector.get("claims", {}).items() <= caller.claims.items()


@pytest.mark.parametrize(("case", "vector"), list(vectors("rejected")))
async def test_other_tokens_are_refused_with_the_reason(case: Case, vector: dict[str, Any], checked: Any) -> None:
    with pytest.raises((TokenRejected, Unavailable)) as refused:
        await checked(case, vector)
    assert refused.value.reason.code == vector["reason"]
    assert isinstance(refused.value, Unavailable) == vector["reason"].startswith("upstream_")
    assert str(vector.get("token", "no token")) not in str(refused.value)


def test_every_provider_has_vectors_of_both_kinds() -> None:
    for name in BY_NAME.keys() - ELSEWHERE:
        kinds = json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))
        assert kinds["accepted"], name
        assert len(kinds["rejected"]) >= 3, name
