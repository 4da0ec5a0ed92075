"""What a certified provider sees of us, read from its own log."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.interop.peers import IdentityProvider, ProtectedServer, control, credentials, get_json, panva, protected
from tests.interop.person import Person, Stuck
from tests.interop.plain_client import PlainClient
from tests.interop.processes import free_port

pytestmark = pytest.mark.interop

CALLBACK = "http://127.0.0.1:53685/callback"
Protect = Callable[..., ProtectedServer]


def seen(provider: IdentityProvider, path: str) -> list[dict[str, Any]]:
    """The requests to one endpoint of the provider, secrets left out."""
    return [entry for entry in get_json(f"{provider.issuer}/control/log") if entry["path"] == path]


def login(server: ProtectedServer, **further: str) -> tuple[PlainClient, dict[str, Any]]:
    """A whole login; returns the client and its tokens."""
    client = PlainClient(server, CALLBACK)
    return client, client.redeem(server.provider.person().walk(client.authorize_url(**further), CALLBACK))


@pytest.mark.spec("PX-08", "PX-10")
def test_the_request_that_leaves_for_the_provider(node_modules: Path, protect: Protect, tmp_path: Path) -> None:
    with panva(tmp_path) as provider:
        client, tokens = login(protect(provider), login_hint="alice@example.com", max_age="3600", ui_locales="de")
        sent = seen(provider, "/auth")[0]["parameters"]
        exchanged = seen(provider, "/token")[0]
    assert sent["nonce"]
    assert sent["code_challenge_method"] == "S256"
    assert sent["state"] != client.state
    assert "openid" in sent["scope"].split()
    assert (sent["login_hint"], sent["max_age"], sent["ui_locales"]) == ("alice@example.com", "3600", "de")
    assert sent["resource"] == exchanged["parameters"]["resource"] == client.server.mcp_url
    assert exchanged["authorization"] == "Basic"
    assert client.call(tokens["access_token"]).status == 200


@pytest.mark.spec("PX-11")
def test_no_resource_goes_to_neither_endpoint_and_an_opaque_token_is_accepted(
    node_modules: Path, protect: Protect, tmp_path: Path
) -> None:
    with panva(tmp_path) as provider:
        client, tokens = login(protect(provider, forward_resource=False))
        requests = [*seen(provider, "/auth"), *seen(provider, "/token")]
        assert all("resource" not in entry["parameters"] for entry in requests)
        assert client.call(tokens["access_token"]).status == 200


@pytest.mark.parametrize("method", ["client_secret_basic", "client_secret_post"])
def test_the_secret_goes_where_the_provider_wants_it(node_modules: Path, protect: Protect, tmp_path: Path, method: str) -> None:
    with panva(tmp_path, auth_method=method) as provider:
        client, tokens = login(protect(provider, token_endpoint_auth_method=method))
        assert client.call(tokens["access_token"]).status == 200


def test_offline_access_needs_the_prompt_that_the_client_sent(node_modules: Path, protect: Protect, tmp_path: Path) -> None:
    """This provider drops the scope, and with it the refresh token, unless prompt=consent arrives."""
    with panva(tmp_path, refresh="offline_access") as provider:
        scopes = ["openid", "offline_access"]
        server = protect(provider, required_scopes=["openid"], valid_scopes=scopes, token_expiry_threshold_seconds=7200)
        client, tokens = login(server, scope=" ".join(scopes), prompt="consent")
        for _ in range(2):
            tokens = client.token(grant_type="refresh_token", refresh_token=tokens["refresh_token"])
        assert client.call(tokens["access_token"]).status == 200
        assert seen(provider, "/auth")[0]["parameters"]["prompt"] == "consent"
        exchanges = seen(provider, "/token")
    assert {entry["status"] for entry in exchanges} == {200}
    assert [entry["parameters"]["grant_type"] for entry in exchanges][:3] == ["authorization_code", *["refresh_token"] * 2]


@pytest.mark.spec("RV-08")
def test_a_revocation_reaches_the_provider(node_modules: Path, protect: Protect, tmp_path: Path) -> None:
    with panva(tmp_path) as provider:
        client, tokens = login(protect(provider))
        assert client.send("revocation_endpoint", token=tokens["refresh_token"]).status == 200
        assert client.call(tokens["access_token"]).status == 401
        assert [entry["status"] for entry in seen(provider, "/token/revocation")][:1] == [200]


def test_a_restart_keeps_the_session(panva_provider: IdentityProvider, tmp_path: Path) -> None:
    """Default keys and an SQLite file: registration, grant and tokens outlive the process."""
    with protected(panva_provider, tmp_path) as server:
        client, tokens = login(server)
        port = int(server.base_url.rsplit(":", 1)[1])
    with protected(panva_provider, tmp_path, port=port):
        assert client.call(tokens["access_token"]).status == 200
        tokens = client.token(grant_type="refresh_token", refresh_token=tokens["refresh_token"])
        assert client.call(tokens["access_token"]).status == 200


def test_a_server_starts_before_its_provider(node_modules: Path, tmp_path: Path) -> None:
    """Until the provider answers it is 503 and no lost login; afterwards nobody has to restart anything."""
    port = free_port()
    absent = IdentityProvider(f"http://127.0.0.1:{port}", tmp_path, credentials, Person)
    with protected(absent, tmp_path) as server:
        client = PlainClient(server, CALLBACK)
        person = Person()
        with pytest.raises(Stuck, match="503"):
            person.walk(client.authorize_url(), CALLBACK)
        assert person.steps[-1].headers["Retry-After"]
        with panva(tmp_path, port=port) as provider:
            provider.register(f"{server.base_url}/auth/callback")
            tokens = client.redeem(await_login(client))
            assert client.call(tokens["access_token"]).status == 200


def await_login(client: PlainClient, seconds: float = 30.0) -> str:
    """Sign in again as often as the page says that it is too early, as a patient person does."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            return Person().walk(client.authorize_url(), CALLBACK)
        except Stuck as stuck:
            if "503" not in str(stuck) or time.monotonic() > deadline:
                raise
        time.sleep(0.5)


def test_a_provider_that_is_away_costs_no_session(node_modules: Path, protect: Protect, tmp_path: Path) -> None:
    """While it is down, what needs it is 503; the same tokens work once it is back. Its clock is real, so its tokens are short."""
    with panva(tmp_path, access_token_seconds=1) as provider:
        client, tokens = login(protect(provider))
        asked = {"grant_type": "refresh_token", "refresh_token": tokens["refresh_token"]}
        control(provider.issuer, "away", True)
        time.sleep(1.1)
        refused = client.send("token_endpoint", **asked)
        assert (refused.status, refused.json()["error"]) == (503, "temporarily_unavailable")
        assert refused.headers["Retry-After"]
        assert client.call(tokens["access_token"]).status == 503
        control(provider.issuer, "away", False)
        renewed = await_success(client, asked)
        assert client.call(renewed["access_token"]).status == 200


def await_success(client: PlainClient, asked: dict[str, str], seconds: float = 20.0) -> dict[str, Any]:
    """Ask again as often as the answers say, as a patient client does."""
    deadline = time.monotonic() + seconds
    while (answer := client.send("token_endpoint", **asked)).status == 503 and time.monotonic() < deadline:
        time.sleep(float(answer.headers["Retry-After"]))
    assert answer.status == 200, answer
    return answer.json()
