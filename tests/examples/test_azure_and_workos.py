"""The examples for Entra ID, Azure AD B2C and WorkOS, started by their documented command against fakes over TLS."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from tests.examples.test_auth0 import EXAMPLES, served
from tests.interop.processes import free_port
from tests.providers.fakes import entra, workos
from tests.providers.fakes.authkit import FakeAuthKit
from tests.providers.fakes.served import over_tls, trusting

from vestibule.clock import SystemClock
from vestibule.testing import ScriptedClient, ScriptedUser
from vestibule.testing.client import CallRefused

pytestmark = pytest.mark.anyio


@contextmanager
def running(example: str, folder: Path, certificate: str, **variables: str) -> Iterator[tuple[str, str]]:
    """The example, which trusts the fake's certificate. Gives its endpoint and the certificate."""
    port = free_port()
    given = {"BASE_URL": f"http://localhost:{port}", "SSL_CERT_FILE": certificate, **variables}
    with served(EXAMPLES / example, folder, port, **given) as url:
        yield url, certificate


async def signed_in(url: str, certificate: str) -> ScriptedClient:
    user = ScriptedUser("alice")
    await user.browser.aclose()
    user.browser = trusting(certificate)
    client = ScriptedClient(url, user=user)
    await client.login()
    return client


async def tool_result(url: str, certificate: str, tool: str) -> dict[str, Any]:
    async with await signed_in(url, certificate) as client:
        return (await client.call_tool(tool))["structuredContent"]


async def result_with(url: str, token: str, tool: str) -> dict[str, Any]:
    """A call by a client that got its token somewhere else, after one without a token that is sent there."""
    async with ScriptedClient(url) as client:
        with pytest.raises(CallRefused) as challenged:
            await client.call_tool(tool)
        assert "resource_metadata=" in challenged.value.challenge
        client.tokens = {"access_token": token}
        return (await client.call_tool(tool))["structuredContent"]


def azure(authority: str) -> dict[str, str]:
    return {
        "AZURE_CLIENT_ID": entra.APP,
        "AZURE_CLIENT_SECRET": entra.SECRET,
        "AZURE_TENANT_ID": entra.HOME,
        "AZURE_AUTHORITY": authority,
    }


def fake_entra(**options: Any) -> entra.FakeEntra:
    return entra.FakeEntra(clock=SystemClock(), **options)  # type: ignore[arg-type] - another process looks at the real clock


async def test_azure_with_graph_scopes(tmp_path: Path) -> None:
    fake = fake_entra()
    with over_tls(fake.asgi, tmp_path) as (authority, certificate):
        fake.host = f"https://{authority}"
        with running("azure_graph.py", tmp_path, certificate, **azure(authority)) as (url, _):
            result = await tool_result(url, certificate, "get_user_info")
    assert (result["tid"], result["scp"]) == (entra.HOME, "read")


async def test_azure_on_behalf_of(tmp_path: Path) -> None:
    fake = fake_entra()
    with over_tls(fake.asgi, tmp_path) as (authority, certificate):
        fake.host = f"https://{authority}"
        given = azure(authority) | {"GRAPH_URL": fake.host}
        with running("azure_obo.py", tmp_path, certificate, **given) as (url, _):
            result = await tool_result(url, certificate, "my_profile")
    assert result == {"displayName": "Alice"}


async def test_azure_remote(tmp_path: Path) -> None:
    fake = fake_entra()
    with over_tls(fake.asgi, tmp_path) as (authority, certificate):
        fake.host = f"https://{authority}"
        with running("azure_remote.py", tmp_path, certificate, **azure(authority)) as (url, _):
            result = await result_with(url, fake.access_token(), "get_user_info")
    assert result == {"sub": "pairwise-alice", "application": entra.APP, "scopes": ["read"]}


async def test_azure_b2c(tmp_path: Path) -> None:
    registration = entra.App(identifier_uri=f"https://contoso.onmicrosoft.com/{entra.APP}")
    fake = fake_entra(policy="B2C_1_susi", registration=registration)
    with over_tls(fake.asgi, tmp_path) as (authority, certificate):
        fake.host = f"https://{authority}"
        given = {
            "B2C_TENANT": "contoso",
            "B2C_CLIENT_ID": entra.APP,
            "B2C_CLIENT_SECRET": entra.SECRET,
            "B2C_DOMAIN": authority,
        }
        with running("azure_b2c.py", tmp_path, certificate, **given) as (url, _):
            result = await tool_result(url, certificate, "get_user_info")
    assert (result["tfp"], result["iss"]) == ("B2C_1_susi", f"https://{authority}/{entra.HOME}/v2.0/")


async def test_workos(tmp_path: Path) -> None:
    fake = workos.FakeWorkOS(clock=SystemClock())  # type: ignore[arg-type]
    with over_tls(fake.asgi, tmp_path) as (domain, certificate):
        fake.domain = f"https://{domain}"
        given = {
            "WORKOS_CLIENT_ID": workos.APP,
            "WORKOS_CLIENT_SECRET": workos.SECRET,
            "WORKOS_AUTHKIT_DOMAIN": domain,
        }
        with running("workos.py", tmp_path, certificate, **given) as (url, _):
            result = await tool_result(url, certificate, "get_user_info")
    assert result == {"sub": "user_01ALICE", "email": "alice@example.com", "name": "Alice Example"}


async def test_authkit(tmp_path: Path) -> None:
    fake = FakeAuthKit(clock=SystemClock())  # type: ignore[arg-type]
    with over_tls(fake.asgi, tmp_path) as (domain, certificate):
        fake.domain = f"https://{domain}"
        with running("authkit.py", tmp_path, certificate, AUTHKIT_DOMAIN=domain) as (url, _):
            result = await result_with(url, fake.access_token(url), "get_user_info")
    assert result == {"sub": "user_01ALICE", "scopes": ["openid", "profile"]}
