"""Authorization server and protected resource metadata."""

from typing import Any

import pytest

from vestibule.errors import ConfigurationError
from vestibule.protocol.resource_metadata import resource_metadata, well_known_path
from vestibule.protocol.server_metadata import check_issuer, server_metadata

METHODS = ["none", "client_secret_basic", "client_secret_post", "private_key_jwt"]


def server(**changes: Any) -> dict[str, Any]:
    options = {"issuer": "https://id.example", "base_url": "https://mcp.example/auth/", "scopes_supported": ["read", "write"]}
    return server_metadata(**{**options, **changes})


@pytest.mark.spec("ASM-01", "ASM-03")
def test_the_issuer_stays_as_given_and_endpoints_hang_from_the_base_url():
    for issuer in ("https://id.example", "https://id.example/", "https://id.example/tenant1"):
        document = server(issuer=issuer)
        assert document["issuer"] == issuer
        assert document["authorization_endpoint"] == "https://mcp.example/auth/authorize"
        assert document["token_endpoint"] == "https://mcp.example/auth/token"
        assert document["registration_endpoint"] == "https://mcp.example/auth/register"
        assert document["revocation_endpoint"] == "https://mcp.example/auth/revoke"
        assert document["introspection_endpoint"] == "https://mcp.example/auth/introspect"
        assert document["jwks_uri"] == "https://mcp.example/auth/.well-known/jwks.json"


@pytest.mark.spec("ASM-03", "ASM-04", "ASM-08", "ASM-09")
def test_what_the_server_can_do():
    document = server()
    assert document["response_types_supported"] == ["code"]
    assert document["response_modes_supported"] == ["query"]
    assert document["grant_types_supported"] == ["authorization_code", "refresh_token"]
    assert document["code_challenge_methods_supported"] == ["S256"]
    assert document["authorization_response_iss_parameter_supported"] is True


@pytest.mark.spec("ASM-05", "ASM-06", "ASM-07")
@pytest.mark.parametrize(
    ("endpoint", "methods"),
    [("token_endpoint", METHODS), ("revocation_endpoint", METHODS), ("introspection_endpoint", METHODS[1:])],
)
def test_client_authentication_of_each_endpoint(endpoint: str, methods: list[str]):
    document = server()
    assert document[f"{endpoint}_auth_methods_supported"] == methods
    algorithms = document[f"{endpoint}_auth_signing_alg_values_supported"]
    assert {"ES256", "RS256"} <= set(algorithms)
    assert not any(name == "none" or name.startswith("HS") for name in algorithms)


@pytest.mark.spec("ASM-06")
def test_algorithms_are_listed_only_for_a_method_that_signs():
    assert not any("signing_alg" in name for name in server(token_endpoint_auth_methods=["none"]))


@pytest.mark.spec("ASM-07")
def test_nobody_introspects_where_nobody_can_authenticate():
    assert not any("introspection" in name for name in server(token_endpoint_auth_methods=["none"]))


def test_scopes_keep_their_order_and_offline_access_is_listed_once():
    assert server()["scopes_supported"] == ["read", "write", "offline_access"]
    assert server(scopes_supported=["offline_access", "read"])["scopes_supported"] == ["offline_access", "read"]


@pytest.mark.spec("ASM-10")
def test_client_documents_are_announced_only_when_they_work():
    assert server(client_documents=True)["client_id_metadata_document_supported"] is True
    assert "client_id_metadata_document_supported" not in server()


@pytest.mark.spec("ASM-11", "PRM-09")
def test_no_member_is_empty():
    bare = server(registration=False)
    assert not {"registration_endpoint", "protected_resources", "service_documentation"} & bare.keys()
    full = server(protected_resources=["https://mcp.example/mcp"], service_documentation="https://docs.example/", openid=True)
    assert full["protected_resources"] == ["https://mcp.example/mcp"]
    assert full["service_documentation"] == "https://docs.example/"
    assert all(value not in (None, [], "", {}) for document in (bare, full) for value in document.values())


@pytest.mark.spec("ASM-12", "ASM-13")
def test_the_openid_name_needs_more_members():
    document = server(openid=True)
    assert document["subject_types_supported"] == ["public"]
    assert document["id_token_signing_alg_values_supported"] == ["ES256"]
    assert document["jwks_uri"]
    assert document["code_challenge_methods_supported"] == ["S256"]
    assert server().items() <= document.items()


@pytest.mark.spec("ASM-14")
@pytest.mark.parametrize(
    "issuer",
    [
        "",
        "id.example",
        "http://id.example",
        "https://id.example?x",
        "https://id.example#",
        "https://u@id.example",
        "app.x://id",
    ],
)
def test_what_is_no_issuer(issuer: str):
    with pytest.raises(ConfigurationError, match="issuer_url"):
        check_issuer(issuer)


def test_a_password_in_an_issuer_is_not_repeated():
    with pytest.raises(ConfigurationError, match="base_url") as refused:
        check_issuer("https://u:its-password@id.example", "base_url")
    assert "its-password" not in str(refused.value)


@pytest.mark.parametrize(
    "issuer", ["https://id.example", "https://id.example/", "http://localhost:8000", "http://127.0.0.1/x", "http://[::1]:1"]
)
def test_what_is_an_issuer(issuer: str):
    assert check_issuer(issuer) is None


@pytest.mark.spec("PRM-02", "PRM-03", "PRM-05", "PRM-06", "PRM-07")
def test_the_resource_document():
    assert resource_metadata(
        resource="https://mcp.example/mcp",
        authorization_servers=["https://id.example/"],
        scopes_supported=["read", "offline_access"],
        resource_name="Notes",
    ) == {
        "resource": "https://mcp.example/mcp",
        "authorization_servers": ["https://id.example/"],
        "scopes_supported": ["read"],
        "bearer_methods_supported": ["header"],
        "resource_name": "Notes",
    }


@pytest.mark.spec("PRM-06", "RS-22")
def test_the_resource_document_leaves_out_what_is_empty():
    document = resource_metadata(
        resource="https://a.example", authorization_servers=["https://b.example"], scopes_supported=["offline_access"]
    )
    assert set(document) == {"resource", "authorization_servers", "bearer_methods_supported"}


@pytest.mark.spec("PRM-01", "PRM-04", "ASM-02", "ASM-13")
@pytest.mark.parametrize(
    ("kind", "url", "path"),
    [
        ("oauth-protected-resource", "https://mcp.example", "/.well-known/oauth-protected-resource"),
        ("oauth-protected-resource", "https://mcp.example/", "/.well-known/oauth-protected-resource"),
        ("oauth-protected-resource", "https://mcp.example/mcp", "/.well-known/oauth-protected-resource/mcp"),
        ("oauth-protected-resource", "https://mcp.example/a/mcp/", "/.well-known/oauth-protected-resource/a/mcp/"),
        ("oauth-authorization-server", "https://id.example/", "/.well-known/oauth-authorization-server"),
        ("oauth-authorization-server", "https://id.example/tenant1", "/.well-known/oauth-authorization-server/tenant1"),
        ("oauth-authorization-server", "https://id.example/tenant1/", "/.well-known/oauth-authorization-server/tenant1"),
        ("openid-configuration", "https://id.example/tenant1", "/.well-known/openid-configuration/tenant1"),
    ],
)
def test_the_path_goes_behind_the_well_known_name(kind: str, url: str, path: str):
    assert well_known_path(kind, url) == path
