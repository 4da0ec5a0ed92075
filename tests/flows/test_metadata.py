"""The documents that clients start from (RFC 9728, RFC 8414, OpenID Connect Discovery)."""

import pytest
from tests.flows.conftest import SetStage
from tests.flows.stage import BASE, PUBLIC, Stage

from vestibule.testing.client import StepFailed

pytestmark = pytest.mark.anyio

SERVER = "/.well-known/oauth-authorization-server"
OPENID = "/.well-known/openid-configuration"
RESOURCE = "/.well-known/oauth-protected-resource"


@pytest.mark.spec("PRM-01", "PRM-02", "PRM-03", "PRM-04", "PRM-06", "PRM-07", "PRM-08")
@pytest.mark.parametrize("path", [f"{RESOURCE}/mcp", RESOURCE])
async def test_the_resource_describes_itself_to_anyone(stage: Stage, path: str):
    answer = await stage.http.get(BASE + path, headers={"origin": "https://inspector.example"})
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["access-control-allow-origin"] == "*"
    assert answer.json() == {
        "resource": f"{BASE}/mcp",
        "authorization_servers": [BASE],
        "scopes_supported": ["openid"],
        "bearer_methods_supported": ["header"],
    }


@pytest.mark.spec("PRM-05", "RS-22")
async def test_only_the_scopes_to_begin_with_are_named_by_the_resource(staged: SetStage):
    stage = await staged(
        required_scopes=["openid", "offline_access"], valid_scopes=["profile", "email"], tool_scopes={"delete_*": ["admin"]}
    )
    document = (await stage.http.get(f"{BASE}{RESOURCE}/mcp")).json()
    assert document["scopes_supported"] == ["openid"]
    server = (await stage.http.get(BASE + SERVER)).json()
    assert server["scopes_supported"] == ["openid", "profile", "email", "admin", "offline_access"]


@pytest.mark.spec("PRM-03", "ASM-01", "AZ-20")
@pytest.mark.parametrize("issuer", [BASE, f"{BASE}/", f"{BASE}/tenant1", f"{BASE}/tenant1/"])
async def test_there_is_one_spelling_of_the_issuer(staged: SetStage, issuer: str):
    stage = await staged(issuer_url=issuer)
    client = await stage.signed_in()
    assert client.resource["authorization_servers"] == [issuer]
    assert client.server["issuer"] == issuer
    answer = await client.user.visit(client.start().url, client.redirect_uri)
    assert f"iss={issuer.replace(':', '%3A').replace('/', '%2F')}" in answer.split("&")


@pytest.mark.spec("ASM-02")
async def test_every_place_in_which_clients_look_answers_or_is_cleanly_absent(staged: SetStage):
    stage = await staged(issuer_url=f"{BASE}/tenant1")
    statuses = {}
    for path in (
        f"{SERVER}/tenant1",
        f"{OPENID}/tenant1",
        f"/tenant1{OPENID}",
        SERVER,
        OPENID,
        f"{SERVER}/mcp",
        f"{OPENID}/mcp",
    ):
        answer = await stage.http.get(BASE + path)
        statuses[path] = answer.status_code
        assert answer.status_code == 404 or answer.json()["issuer"] == f"{BASE}/tenant1"
    assert statuses.pop(f"/tenant1{OPENID}") in (200, 404)
    assert set(statuses.values()) == {200}


@pytest.mark.spec("ASM-03", "ASM-04", "ASM-06", "ASM-07", "ASM-09", "ASM-10", "ASM-11", "PRM-09")
async def test_the_server_says_what_it_can(stage: Stage):
    document = (await stage.http.get(BASE + SERVER)).json()
    assert document["authorization_endpoint"] == f"{BASE}/authorize"
    assert document["token_endpoint"] == f"{BASE}/token"
    assert document["response_types_supported"] == ["code"]
    assert document["code_challenge_methods_supported"] == ["S256"]
    assert document["authorization_response_iss_parameter_supported"] is True
    assert document["client_id_metadata_document_supported"] is True
    assert document["protected_resources"] == [f"{BASE}/mcp"]
    assert "none" in document["revocation_endpoint_auth_methods_supported"]
    assert "none" not in document["introspection_endpoint_auth_methods_supported"]
    assert "none" not in document["token_endpoint_auth_signing_alg_values_supported"]
    assert all(value not in (None, [], "") for value in document.values())


@pytest.mark.spec("ASM-10")
async def test_client_documents_are_announced_only_where_they_are_taken(staged: SetStage):
    stage = await staged(enable_cimd=False)
    assert "client_id_metadata_document_supported" not in (await stage.http.get(BASE + SERVER)).json()


@pytest.mark.spec("ASM-08")
async def test_every_grant_type_that_is_announced_works_and_no_other(stage: Stage):
    client = await stage.signed_in()
    assert client.server["grant_types_supported"] == ["authorization_code", "refresh_token"]
    assert (await client.refresh())["access_token"]
    for other in ("client_credentials", "password", "implicit", "urn:ietf:params:oauth:grant-type:device_code"):
        with pytest.raises(StepFailed, match="unsupported_grant_type"):
            await client.refresh(grant_type=other)


@pytest.mark.spec("ASM-12")
async def test_the_keys_are_public_only(stage: Stage):
    document = (await stage.http.get(BASE + SERVER)).json()
    keys = (await stage.http.get(document["jwks_uri"])).json()["keys"]
    assert keys
    for key in keys:
        assert key["use"] == "sig"
        assert key["alg"] == "ES256"
        assert key["kid"]
        assert not {"d", "p", "q", "dp", "dq", "qi", "k"} & key.keys()


@pytest.mark.spec("ASM-13")
async def test_the_openid_name_holds_what_its_readers_demand(stage: Stage):
    document = (await stage.http.get(BASE + OPENID)).json()
    assert {"jwks_uri", "subject_types_supported", "id_token_signing_alg_values_supported"} <= document.keys()
    assert document["code_challenge_methods_supported"] == ["S256"]


@pytest.mark.spec("ASM-14", "RS-28")
async def test_no_url_is_built_from_what_a_request_says(staged: SetStage):
    stage = await staged(base_url=PUBLIC)
    spoofed = {
        "host": "evil.example",
        "x-forwarded-host": "evil.example",
        "x-forwarded-proto": "http",
        "forwarded": "host=evil.example",
    }
    answers = [await stage.http.get(PUBLIC + path, headers=spoofed) for path in (SERVER, OPENID, RESOURCE, f"{RESOURCE}/mcp")]
    assert all(answer.status_code == 200 for answer in answers)
    challenge = await stage.http.post(f"{PUBLIC}/mcp", headers=spoofed | {"host": "mcp.example.com"})
    for answer in (*answers, challenge):
        assert "evil.example" not in answer.text + str(answer.headers)
        assert f"{PUBLIC}/" in answer.text + str(answer.headers)


async def test_a_browser_client_may_ask_before_it_reads(stage: Stage):
    answer = await stage.http.options(
        f"{BASE}{RESOURCE}/mcp",
        headers={
            "origin": "https://inspector.example",
            "access-control-request-method": "GET",
            "access-control-request-headers": "mcp-protocol-version",
        },
    )
    assert answer.status_code == 204
    assert answer.headers["access-control-allow-headers"] == "mcp-protocol-version"
    assert answer.headers["access-control-allow-origin"] == "*"


@pytest.mark.spec("PRM-02")
async def test_below_a_prefix_the_resource_is_what_clients_call(staged: SetStage):
    stage = await staged(base_url=f"{BASE}/team")
    document = (await stage.http.get(f"{BASE}{RESOURCE}/team/mcp")).json()
    assert document["resource"] == f"{BASE}/team/mcp"
    server = (await stage.http.get(f"{BASE}{SERVER}/team")).json()
    assert server["token_endpoint"] == f"{BASE}/team/token"
    client = await stage.signed_in()
    assert (await client.call_tool("whoami"))["resource"] == f"{BASE}/team/mcp"
