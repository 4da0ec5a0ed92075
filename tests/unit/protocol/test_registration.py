"""Dynamic registration: what is refused, what is replaced, what comes back."""

import json
from typing import Any

import pytest

from vestibule import reasons
from vestibule.errors import OAuthError
from vestibule.protocol.client_metadata import ClientMetadata
from vestibule.protocol.redirect_uris import AllowedRedirectURIs
from vestibule.protocol.registration import parse_registration

CALLBACK = "https://app.example/callback"
KEY = {
    "kty": "EC",
    "crv": "P-256",
    "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
    "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0",
}


def register(**members: Any) -> ClientMetadata:
    return parse_registration({"redirect_uris": [CALLBACK], **members})


def refusal(document: object) -> OAuthError:
    with pytest.raises(OAuthError) as caught:
        parse_registration(document)
    assert caught.value.status == 400
    return caught.value


@pytest.mark.spec("DCR-01")
def test_everything_known_comes_back():
    document = {
        "redirect_uris": [CALLBACK, "http://localhost/cb"],
        "token_endpoint_auth_method": "private_key_jwt",
        "token_endpoint_auth_signing_alg": "RS256",
        "jwks_uri": "https://app.example/jwks.json",
        "grant_types": ["authorization_code", "refresh_token"],
        "response_types": ["code"],
        "scope": "read write",
        "client_name": "An App",
        "client_uri": "https://app.example/",
        "logo_uri": "https://app.example/logo.png",
        "tos_uri": "https://app.example/tos",
        "policy_uri": "https://app.example/policy",
        "contacts": ["ops@app.example"],
        "software_id": "app",
        "software_version": "1.0",
        "application_type": "native",
    }
    metadata = parse_registration(document)
    assert metadata.as_dict() == document
    assert ClientMetadata.from_dict(json.loads(json.dumps(metadata.as_dict()))) == metadata
    assert hash(metadata) == hash(ClientMetadata.from_dict(document))


def test_the_least_there_can_be():
    assert register().as_dict() == {
        "redirect_uris": [CALLBACK],
        "token_endpoint_auth_method": "none",
        "grant_types": ["authorization_code"],
        "response_types": ["code"],
    }


@pytest.mark.spec("DCR-04", "DCR-15")
@pytest.mark.parametrize(
    ("asked", "given"),
    [
        (None, "none"),
        ("", "none"),
        ("none", "none"),
        ("client_secret_basic", "client_secret_basic"),
        ("client_secret_post", "client_secret_post"),
        ("client_secret_jwt", "client_secret_basic"),
        ("tls_client_auth", "none"),
    ],
)
def test_the_auth_method_is_the_nearest_there_is(asked: str | None, given: str):
    assert register(token_endpoint_auth_method=asked).token_endpoint_auth_method == given


@pytest.mark.spec("DCR-05")
@pytest.mark.parametrize("uris", [None, [], "", CALLBACK, [1], [None], {}, [CALLBACK] * 21])
def test_redirect_uris_are_needed(uris: object):
    assert refusal({"redirect_uris": uris}).error == "invalid_redirect_uri"
    assert refusal({}).error == "invalid_redirect_uri"


@pytest.mark.spec("DCR-06", "DCR-08")
@pytest.mark.parametrize(
    "uri",
    [
        "javascript:alert(1)",
        "data:text/html,x",
        "http://app.example/cb",
        CALLBACK + "#x",
        "cb",
        "https://u@app.example/",
        "myapp:/cb",
        "\ud800",
    ],
)
def test_one_bad_redirect_uri_refuses_the_whole_and_is_named(uri: str):
    error = refusal({"redirect_uris": [CALLBACK, uri]})
    assert error.error == "invalid_redirect_uri"
    assert error.reason is reasons.REDIRECT_URI_INVALID
    assert ascii(uri) in error.detail


def test_the_operators_list_counts():
    with pytest.raises(OAuthError) as caught:
        parse_registration({"redirect_uris": [CALLBACK]}, allowed=AllowedRedirectURIs(["claude"]))
    assert caught.value.reason is reasons.REDIRECT_URI_NOT_ALLOWED


@pytest.mark.parametrize("document", [None, [], "x", 1, [{"redirect_uris": [CALLBACK]}]])
def test_a_registration_is_an_object(document: object):
    assert refusal(document).error == "invalid_client_metadata"


@pytest.mark.spec("DCR-09", "DCR-12")
def test_unknown_members_and_names_for_oneself_are_ignored():
    answer = register(
        client_id="mine", client_secret="s3cret", software_statement="x.y.z", future=[1], id_token_signed_response_alg="RS256"
    )
    assert answer == register()


def test_null_members_are_absent_ones():
    members = (
        "scope",
        "client_name",
        "client_uri",
        "contacts",
        "grant_types",
        "response_types",
        "jwks",
        "jwks_uri",
        "application_type",
    )
    assert register(**dict.fromkeys(members)) == register()


@pytest.mark.spec("DCR-10")
def test_grant_and_response_types_are_intersected():
    metadata = register(
        grant_types=[
            "refresh_token",
            "implicit",
            "password",
            "authorization_code",
            "urn:ietf:params:oauth:grant-type:device_code",
        ],
        response_types=["code id_token", "token", "code"],
    )
    assert metadata.grant_types == ("refresh_token", "authorization_code")
    assert metadata.response_types == ("code",)


@pytest.mark.spec("DCR-10")
@pytest.mark.parametrize(
    "members",
    [
        {"grant_types": ["implicit"]},
        {"grant_types": ["password"]},
        {"grant_types": ["refresh_token"]},
        {"grant_types": "authorization_code"},
        {"grant_types": [1]},
        {"response_types": ["token"]},
        {"response_types": ["code token"]},
        {"response_types": "code"},
    ],
)
def test_a_client_that_could_never_sign_in_is_refused(members: dict[str, Any]):
    assert refusal({"redirect_uris": [CALLBACK], **members}).error == "invalid_client_metadata"


@pytest.mark.spec("DCR-11")
@pytest.mark.parametrize("method", ["private_key_jwt", "none"])
def test_jwks_and_jwks_uri_exclude_each_other(method: str):
    document = {
        "redirect_uris": [CALLBACK],
        "token_endpoint_auth_method": method,
        "jwks": {"keys": [KEY]},
        "jwks_uri": "https://app.example/k",
    }
    assert refusal(document).error == "invalid_client_metadata"


def test_keys_are_kept_for_a_client_that_signs():
    assert register(token_endpoint_auth_method="private_key_jwt", jwks={"keys": [KEY]}).jwks == {"keys": [KEY]}
    assert register(jwks={"keys": [KEY]}).jwks is None


@pytest.mark.parametrize(
    "members",
    [
        {},
        {"jwks": {}},
        {"jwks": {"keys": []}},
        {"jwks": {"keys": ["x"]}},
        {"jwks": [KEY]},
        {"jwks": {"keys": [KEY] * 11}},
        {"jwks": {"keys": [{**KEY, "d": "x"}]}},
        {"jwks": {"keys": [{"kty": "oct", "k": "x"}]}},
        {"jwks_uri": "http://app.example/k"},
        {"jwks_uri": "https://u@app.example/k"},
        {"jwks_uri": 1},
        {"jwks": {"keys": [KEY]}, "token_endpoint_auth_signing_alg": "none"},
        {"jwks": {"keys": [KEY]}, "token_endpoint_auth_signing_alg": "HS256"},
        {"jwks": {"keys": [KEY]}, "token_endpoint_auth_signing_alg": ["ES256"]},
    ],
)
def test_private_key_jwt_needs_usable_public_keys(members: dict[str, Any]):
    error = refusal({"redirect_uris": [CALLBACK], "token_endpoint_auth_method": "private_key_jwt", **members})
    assert error.error == "invalid_client_metadata"


def test_the_scope_only_advises():
    assert register(scope="write  read write").scope == "write read"
    assert register(scope="").scope is None


@pytest.mark.parametrize("scope", ["é", 'a"b', 1, ["a"], "a" * 5000])
def test_a_scope_that_is_none(scope: object):
    assert refusal({"redirect_uris": [CALLBACK], "scope": scope}).error == "invalid_client_metadata"


@pytest.mark.spec("DCR-14")
@pytest.mark.parametrize(
    ("name", "kept"),
    [
        ("Claude", "Claude"),
        ("Büro 日本 ✨", "Büro 日本 ✨"),
        ("  a \u00a0 b ", "a b"),
        ("evil\u202egnp.exe", "evilgnp.exe"),
        ("zero\u200bwidth\ufeff", "zerowidth"),
        ("line\r\nbreak\x00", "linebreak"),
        ("lone\ud800surrogate", "lonesurrogate"),
        ("\u202e\u200b", None),
        ("<script>alert(1)</script>", "<script>alert(1)</script>"),
    ],
)
def test_names_lose_what_hides_or_reorders(name: str, kept: str | None):
    """Escaping is the pages' matter; nothing here survives that cannot be encoded or seen."""
    assert register(client_name=name).client_name == kept


@pytest.mark.parametrize(
    "members", [{"client_name": 1}, {"client_name": ["x"]}, {"client_name": "x" * 201}, {"software_id": {}}, {"contacts": "a"}]
)
def test_texts_are_short_texts(members: dict[str, Any]):
    assert refusal({"redirect_uris": [CALLBACK], **members}).error == "invalid_client_metadata"


@pytest.mark.spec("DCR-14")
@pytest.mark.parametrize(
    "uri",
    [
        "javascript:alert(1)",
        "data:image/svg+xml,x",
        "file:///etc",
        "logo.png",
        "",
        "https://u:p@app.example/",
        'https://app.example/"',
        7,
    ],
)
def test_a_page_that_must_not_be_linked_is_left_out(uri: object):
    metadata = register(client_uri=uri, logo_uri=uri, tos_uri=uri, policy_uri=uri)
    assert metadata == register()


def test_contacts_are_bounded():
    assert len(register(contacts=[f"a{n}@app.example" for n in range(50)]).contacts) == 10


@pytest.mark.parametrize(("given", "kept"), [("web", "web"), ("native", "native"), ("desktop", None), (1, None), ([], None)])
def test_application_type(given: object, kept: str | None):
    assert register(application_type=given).application_type == kept


CURSOR = {
    "redirect_uris": [
        "cursor://anysphere.cursor-retrieval/oauth/user-x/callback",
        "https://www.cursor.com/agents/mcp/oauth/callback",
        "http://localhost:8787/callback",
    ],
    "grant_types": ["authorization_code", "refresh_token"],
    "token_endpoint_auth_method": "none",
    "client_name": "Cursor",
}
VSCODE = {
    "redirect_uris": [
        "https://vscode.dev/redirect",
        "https://insiders.vscode.dev/redirect",
        "http://127.0.0.1/",
        "http://127.0.0.1:33418/",
    ],
    "grant_types": ["authorization_code", "refresh_token", "urn:ietf:params:oauth:grant-type:device_code"],
    "token_endpoint_auth_method": "none",
    "application_type": "native",
}
LE_CHAT = {"redirect_uris": ["https://callback.mistral.ai/v1/cb"], "token_endpoint_auth_method": "client_secret_basic"}
CLAUDE = {
    "redirect_uris": ["https://claude.ai/api/mcp/auth_callback"],
    "token_endpoint_auth_method": "client_secret_post",
    "scope": "unknown:scope",
}


@pytest.mark.spec("DCR-01", "DCR-07")
@pytest.mark.parametrize("document", [CURSOR, VSCODE, LE_CHAT, CLAUDE], ids=["cursor", "vscode", "le-chat", "claude"])
def test_clients_in_use_register(document: dict[str, Any]):
    """Redirect URIs come back exactly, and a client that asks for a secret gets a method with one."""
    answer = parse_registration(document).as_dict()
    assert answer["redirect_uris"] == document["redirect_uris"]
    assert answer["token_endpoint_auth_method"] == document["token_endpoint_auth_method"]
