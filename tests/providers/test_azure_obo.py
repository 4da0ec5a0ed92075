"""On-Behalf-Of with azure-identity itself, against a local Entra over TLS, from tools of FastMCP and of the official SDK."""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import anyio
import pytest
from azure.core.exceptions import ServiceRequestError
from fastmcp import FastMCP
from mcp.server.mcpserver import MCPServer
from tests.flows.stage import BASE, KEY
from tests.providers.fakes.entra import APP, GRAPH, HOME, OTHER, SECRET, FakeEntra
from tests.providers.fakes.served import on_loopback, over_tls, trusting

from vestibule.clock import SystemClock
from vestibule.hosts import asgi
from vestibule.providers.azure import AzureJWTVerifier, AzureProvider, EntraOBOToken
from vestibule.providers.azure.on_behalf_of import exchange_for
from vestibule.proxy.multi import MultiAuth
from vestibule.proxy.remote import RemoteAuthProvider
from vestibule.resource.identity import current_provider
from vestibule.testing import ScriptedClient, ScriptedUser
from vestibule.tokens import AccessToken

pytestmark = pytest.mark.anyio

READ = [f"{GRAPH}/User.Read"]
NOT_CONSENTED = [f"{GRAPH}/Mail.ReadWrite"]


@dataclass
class Cloud:
    """A local Entra."""

    fake: FakeEntra
    authority: str
    certificate: str

    def provider(self, **options: Any) -> AzureProvider:
        given = {
            "client_id": APP,
            "client_secret": SECRET,
            "tenant_id": HOME,
            "required_scopes": ["read"],
            "base_url": BASE,
            "base_authority": self.authority,
            "client_storage": "memory://",
            "jwt_signing_key": KEY,
            "obo_options": {"connection_verify": self.certificate},
        }
        return AzureProvider(**{**given, **options})

    def exchanges(self) -> list[dict[str, str]]:
        return [asked.form for asked in self.fake.requests_to("/token") if "assertion" in asked.form]


@pytest.fixture
def cloud(tmp_path: Path) -> Iterator[Cloud]:
    fake = FakeEntra(clock=SystemClock())  # type: ignore[arg-type] - azure-identity looks at the real clock
    with over_tls(fake.asgi, tmp_path) as (authority, certificate):
        fake.host = f"https://{authority}"
        yield Cloud(fake, authority, certificate)


# --- from within tools ----------------------------------------------------------------------------------------------------------


def fastmcp_server(auth: AzureProvider) -> Any:
    server = FastMCP("graph", auth=auth)

    @server.tool
    async def me(token: str = EntraOBOToken(READ)) -> str:
        return token

    @server.tool
    async def annotated(token: Annotated[str, EntraOBOToken(READ)]) -> str:
        return token

    @server.tool
    async def write(token: str = EntraOBOToken(NOT_CONSENTED)) -> str:
        return token

    return server.http_app()


def sdk_server(auth: AzureProvider) -> Any:
    server = MCPServer("graph")

    @server.tool()
    async def me(token: Annotated[str, EntraOBOToken(READ)]) -> str:
        return token

    @server.tool()
    async def annotated(who: str, token: Annotated[str, EntraOBOToken(READ)]) -> str:
        return token

    @server.tool()
    async def write(token: Annotated[str, EntraOBOToken(NOT_CONSENTED)]) -> str:
        return token

    return auth.protect(server.streamable_http_app())


@pytest.fixture(params=[fastmcp_server, sdk_server], ids=["fastmcp", "sdk"])
def make(request: pytest.FixtureRequest) -> Callable[[AzureProvider], Any]:
    return request.param


async def signed_in(
    stack: ExitStack, cloud: Cloud, make: Callable[[AzureProvider], Any], user: str = "alice", **options: Any
) -> ScriptedClient:
    """A client of a server with tools that act on behalf of its user."""
    url, later, server = stack.enter_context(on_loopback())
    http = trusting(cloud.certificate)
    auth = cloud.provider(base_url=url, http_client=http, **options)
    later.app, later.closing = make(auth), (auth.close_obo_credentials, http.aclose)
    server.start()
    person = ScriptedUser(user)
    await person.browser.aclose()
    person.browser = trusting(cloud.certificate)
    client = ScriptedClient(f"{url}/mcp", user=person)
    await client.login()
    return client


def text_of(result: dict[str, Any]) -> str:
    return result["content"][0]["text"]


async def test_a_tool_gets_a_token_in_the_users_name(cloud: Cloud, make: Callable[[AzureProvider], Any]) -> None:
    with ExitStack() as stack:
        client = await signed_in(stack, cloud, make)
        token = text_of(await client.call_tool("me"))
        assert token == f"graph-token-of-{cloud.fake.users['alice']['oid']}-for-{GRAPH}/User.Read"
        assert text_of(await client.call_tool("annotated", {"who": "me"} if make is sdk_server else {})) == token
        [exchange] = cloud.exchanges()
        assert exchange["requested_token_use"] == "on_behalf_of"
        await client.aclose()


async def test_the_parameter_is_not_the_models_to_fill(cloud: Cloud, make: Callable[[AzureProvider], Any]) -> None:
    with ExitStack() as stack:
        client = await signed_in(stack, cloud, make)
        await client.call_tool("me")
        answer = await client.session.request(client.tokens["access_token"], "tools/list", {})
        text = answer.text.partition("data:")[2] or answer.text
        tools = {tool["name"]: tool for tool in json.loads(text)["result"]["tools"]}
        assert "token" not in tools["me"]["inputSchema"].get("properties", {})
        await client.aclose()


async def test_what_entra_refuses_is_named(cloud: Cloud, make: Callable[[AzureProvider], Any]) -> None:
    with ExitStack() as stack:
        client = await signed_in(stack, cloud, make)
        result = await client.call_tool("write")
        assert result["isError"]
        assert "AADSTS65001" in text_of(result)
        assert "consent" in text_of(result)
        await client.aclose()


async def test_users_of_a_shared_endpoint_are_exchanged_at_their_own_tenant(cloud: Cloud) -> None:
    with ExitStack() as stack:
        client = await signed_in(stack, cloud, fastmcp_server, "bob", tenant_id="organizations")
        assert "graph-token-of" in text_of(await client.call_tool("me"))
        assert [asked.path.split("/")[1] for asked in cloud.fake.requests_to("/token") if "assertion" in asked.form] == [OTHER]
        await client.aclose()


# --- the credentials ------------------------------------------------------------------------------------------------------------


async def test_a_user_keeps_the_credential(cloud: Cloud) -> None:
    auth = cloud.provider()
    assertion = cloud.fake.access_token()  # one made a second later would be another
    mine = await auth.get_obo_credential(assertion)
    first = await mine.get_token(*READ)
    assert await auth.get_obo_credential(cloud.fake.access_token("bob")) is not mine
    again = await auth.get_obo_credential(user_assertion=assertion)
    assert (again, (await again.get_token(*READ)).token) == (mine, first.token)
    assert len(cloud.exchanges()) == 1
    await auth.close_obo_credentials()


async def test_the_least_recently_used_of_128_goes_and_is_closed(cloud: Cloud) -> None:
    auth = cloud.provider()
    first = await auth.get_obo_credential("assertion 0")
    second = await auth.get_obo_credential("assertion 1")
    for credential in (first, second):
        await credential.__aenter__()
    for number in range(2, 128):
        await auth.get_obo_credential(f"assertion {number}")
    assert await auth.get_obo_credential("assertion 0") is first
    await auth.get_obo_credential("assertion 128")
    assert await auth.get_obo_credential("assertion 0") is first
    assert await is_closed(second)
    assert not await is_closed(first)
    await auth.close_obo_credentials()
    assert await is_closed(first)


async def test_one_that_is_in_use_is_closed_after_that(tmp_path: Path) -> None:
    """128 others come while Entra thinks about the first."""
    fake = FakeEntra(clock=SystemClock())  # type: ignore[arg-type] - as above
    asked, answering = threading.Event(), threading.Event()

    async def slow(scope: Any, receive: Any, send: Any) -> None:
        while scope.get("path", "").endswith("/token") and not answering.is_set():
            asked.set()
            await anyio.sleep(0.01)
        await fake.asgi(scope, receive, send)

    with over_tls(slow, tmp_path) as (authority, certificate):
        fake.host = f"https://{authority}"
        auth = Cloud(fake, authority, certificate).provider()
        found: list[str] = []
        assertion = fake.access_token()
        credential = await auth.get_obo_credential(assertion)

        async def call() -> None:
            found.append(await exchanged(auth, AccessToken(token=assertion, client_id=APP, scopes=[], claims={"scp": "read"})))

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(call)
            await anyio.to_thread.run_sync(asked.wait, 10)
            for number in range(128):
                await auth.get_obo_credential(f"assertion {number}")
            answering.set()
        assert found
        assert found[0].startswith("graph-token-of-")
        assert await is_closed(credential, NOT_CONSENTED)
        await auth.close_obo_credentials()


async def is_closed(credential: Any, scopes: list[str] = READ) -> bool:
    """A closed one cannot be used any more for what it has not got already."""
    try:
        await credential.get_token(*scopes)
    except Exception as error:
        return "closed" in str(error).lower()
    return False


async def test_b2c_has_no_exchange() -> None:
    auth = AzureProvider.from_b2c(
        tenant_name="contoso",
        policy_name="B2C_1_susi",
        client_id=APP,
        client_secret=SECRET,
        required_scopes=["read"],
        base_url=BASE,
        client_storage="memory://",
        jwt_signing_key=KEY,
    )
    with pytest.raises(NotImplementedError, match="B2C"):
        await auth.get_obo_credential("assertion")


async def test_without_a_secret_there_is_nothing_to_prove_oneself_with(cloud: Cloud) -> None:
    with pytest.raises(ValueError, match="client_secret"):
        await cloud.provider(client_secret=None).get_obo_credential("assertion")


async def test_an_assertion_of_ones_own_takes_the_place_of_the_secret(cloud: Cloud) -> None:
    options = {"client_assertion_func": lambda: "signed elsewhere", "connection_verify": cloud.certificate}
    auth = cloud.provider(client_secret=None, obo_options=options)
    assert await auth.get_obo_credential("assertion")
    await auth.close_obo_credentials()


async def test_without_the_extra_its_name_is_told(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "azure.identity.aio", None)
    with pytest.raises(ImportError, match=r"vestibule\[azure\]"):
        EntraOBOToken(READ)
    with pytest.raises(ImportError, match=r"vestibule\[azure\]"):
        await cloud.provider().get_obo_credential("assertion")


# --- what cannot be exchanged ---------------------------------------------------------------------------------------------------


async def exchanged(provider: object, token: AccessToken | None, scopes: list[str] = READ) -> str:
    """An exchange within a call that `provider` let in with `token`."""
    mark = current_provider.set(provider)
    try:
        if token is None:
            return await exchange_for(scopes)
        with asgi.bind({"type": "http"}, token, token.scopes):
            return await exchange_for(scopes)
    finally:
        current_provider.reset(mark)


def caller(cloud: Cloud, token: str, **claims: Any) -> AccessToken:
    return AccessToken(token=token, client_id=APP, scopes=["read"], claims={"scp": "read", **claims})


async def test_nobody_signed_in(cloud: Cloud) -> None:
    with pytest.raises(RuntimeError, match="no access token"):
        await exchanged(cloud.provider(), None)


async def test_another_kind_of_provider(cloud: Cloud) -> None:
    remote = RemoteAuthProvider(
        AzureJWTVerifier(client_id=APP, tenant_id=HOME), [f"https://{cloud.authority}/{HOME}/v2.0"], BASE
    )
    with pytest.raises(RuntimeError, match=r"AzureProvider.*RemoteAuthProvider"):
        await exchanged(remote, caller(cloud, cloud.fake.access_token()))


async def test_a_token_of_an_application(cloud: Cloud) -> None:
    token = AccessToken(token=cloud.fake.app_only_token(), client_id=APP, scopes=[], claims={"roles": ["Read.All"], "sub": "x"})
    with pytest.raises(RuntimeError, match=r"AADSTS7000114.*without a user"):
        await exchanged(cloud.provider(), token)
    assert not cloud.exchanges()


async def test_a_machine_beside_the_people(cloud: Cloud) -> None:
    """Several ways in on one endpoint: the bridge is found behind them, and the machine's token told apart."""
    machines = AzureJWTVerifier(client_id=APP, tenant_id=HOME, base_authority=cloud.authority)
    auth = cloud.provider()
    both = MultiAuth(server=auth, verifiers={"machines": machines})
    assert "graph-token-of" in await exchanged(both, caller(cloud, cloud.fake.access_token()))
    token = AccessToken(token=cloud.fake.app_only_token(), client_id=APP, scopes=[], claims={"idtyp": "app"})
    with pytest.raises(RuntimeError, match="AADSTS7000114"):
        await exchanged(both, token)
    await auth.close_obo_credentials()


@pytest.mark.parametrize(
    ("shape", "code"),
    [({"aud": "api://other"}, "AADSTS500131"), ({"idtyp": "app"}, "AADSTS7000114")],
    ids=["audience", "application"],
)
async def test_the_error_of_entra_is_named_and_explained(cloud: Cloud, shape: dict[str, str], code: str) -> None:
    auth, token = cloud.provider(), cloud.fake.access_token(**shape)
    with pytest.raises(RuntimeError, match=code) as refused:
        await exchanged(auth, caller(cloud, token))
    assert token not in str(refused.value)
    await auth.close_obo_credentials()


async def test_a_wrong_secret_is_explained(cloud: Cloud) -> None:
    auth = cloud.provider(client_secret="wrong")
    with pytest.raises(RuntimeError, match=r"AADSTS7000215.*Value, not its Secret ID") as refused:
        await exchanged(auth, caller(cloud, cloud.fake.access_token()))
    assert "wrong" not in str(refused.value).replace("client_secret is wrong", "")
    await auth.close_obo_credentials()


async def test_an_authority_that_is_not_trusted_is_a_failed_exchange(cloud: Cloud) -> None:
    auth = cloud.provider(obo_options={"retry_total": 0})
    with pytest.raises(RuntimeError, match="exchange failed"):
        await exchanged(auth, caller(cloud, cloud.fake.access_token()))
    credential = await auth.get_obo_credential(cloud.fake.access_token())
    with pytest.raises(ServiceRequestError):
        await credential.get_token(*READ)
    await auth.close_obo_credentials()


@pytest.mark.parametrize("scopes", [[], "User.Read"])
def test_scopes_are_a_list(scopes: Any) -> None:
    with pytest.raises(ValueError, match="list of scopes"):
        EntraOBOToken(scopes)
