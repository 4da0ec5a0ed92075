"""Client ID metadata documents."""

import json
from typing import Any

import pytest

from vestibule import reasons
from vestibule.errors import OAuthError
from vestibule.protocol.client_documents import check_client_id_url, looks_like_document_url, parse_client_document
from vestibule.protocol.client_metadata import ClientMetadata
from vestibule.protocol.redirect_uris import AllowedRedirectURIs

URL = "https://client.example/oauth/metadata.json"
DOCUMENT = {
    "client_id": URL,
    "client_name": "A Client",
    "redirect_uris": ["http://localhost/callback", "http://127.0.0.1/callback"],
}


def read(allowed: AllowedRedirectURIs | None = None, **changes: Any) -> ClientMetadata:
    return parse_client_document(URL, json.dumps({**DOCUMENT, **changes}).encode(), allowed=allowed)


def refusal(**changes: Any) -> OAuthError:
    with pytest.raises(OAuthError) as caught:
        read(**changes)
    assert caught.value.error == "invalid_client"
    assert caught.value.reason is reasons.CLIENT_DOCUMENT_INVALID
    return caught.value


@pytest.mark.spec("CI-01")
@pytest.mark.parametrize(
    "url", [URL, "https://client.example:8443/x", "https://client.example/x?version=2", "https://client.example/a/"]
)
def test_urls_that_may_name_a_client(url: str):
    assert check_client_id_url(url) is None
    assert looks_like_document_url(url)


@pytest.mark.spec("CI-01")
@pytest.mark.parametrize(
    "url",
    [
        "https://client.example",
        "https://client.example/",
        "https://client.example?x",
        "http://client.example/x",
        "http://localhost/x",
        "https://client.example/x#",
        "https://client.example/x#y",
        "https://user@client.example/x",
        "https://user:pw@client.example/x",
        "https://client.example/../x",
        "https://client.example/./x",
        "https://client.example/%2e%2e/x",
        "https://client.example/a/..",
        "https://client.example\\x",
        "https://client.example./x",
        "https:///x",
        "https://",
        "app.example://x/y",
        "https://client.example/ x",
        "https://bücher.example/x",
        "https://client.example/" + "x" * 2048,
        "",
    ],
)
def test_urls_that_may_not(url: str):
    with pytest.raises(OAuthError) as caught:
        check_client_id_url(url)
    assert caught.value.error == "invalid_client"
    assert caught.value.reason is reasons.CLIENT_DOCUMENT_URL


@pytest.mark.spec("CI-01", "CI-07")
def test_http_only_on_loopback_and_only_when_allowed():
    url = "http://127.0.0.1:8000/client.json"
    assert not looks_like_document_url(url)
    assert looks_like_document_url(url, allow_loopback_http=True)
    assert check_client_id_url(url, allow_loopback_http=True) is None
    assert not looks_like_document_url("http://client.example/x", allow_loopback_http=True)
    with pytest.raises(OAuthError):
        check_client_id_url("http://client.example/x", allow_loopback_http=True)


@pytest.mark.spec("CI-13")
@pytest.mark.parametrize("client_id", ["vc_abc", "", "http://x.example/y", "HTTPS://client.example/x", "app"])
def test_other_ids_are_no_document_urls(client_id: str):
    assert not looks_like_document_url(client_id)


def test_reads_a_document():
    metadata = read(logo_uri="https://client.example/logo.png", grant_types=["authorization_code", "refresh_token"], unknown=1)
    assert metadata.redirect_uris == ("http://localhost/callback", "http://127.0.0.1/callback")
    assert metadata.client_name == "A Client"
    assert metadata.token_endpoint_auth_method == "none"
    assert metadata.grant_types == ("authorization_code", "refresh_token")


@pytest.mark.spec("CI-02")
@pytest.mark.parametrize(
    "named",
    [
        None,
        "",
        1,
        [URL],
        URL + "/",
        URL + "?",
        URL.upper(),
        URL.replace("client.example", "CLIENT.example"),
        URL.replace("client.example", "client.example:443"),
        URL.replace("https", "http"),
    ],
)
def test_a_document_names_the_url_it_lies_at(named: object):
    assert "client_id" in refusal(client_id=named).detail


@pytest.mark.spec("CI-04")
@pytest.mark.parametrize(
    "members",
    [
        {"token_endpoint_auth_method": "client_secret_basic"},
        {"token_endpoint_auth_method": "client_secret_post"},
        {"token_endpoint_auth_method": "client_secret_jwt"},
        {"token_endpoint_auth_method": "tls_client_auth"},
        {"token_endpoint_auth_method": None},
        {"token_endpoint_auth_method": ["none"]},
        {"client_secret": "x"},
        {"client_secret": ""},
        {"client_secret_expires_at": 0},
        {"token_endpoint_auth_method": "private_key_jwt"},
        {"token_endpoint_auth_method": "private_key_jwt", "jwks": {"keys": [{"kty": "EC", "d": "x"}]}},
        {"token_endpoint_auth_method": "private_key_jwt", "jwks": {"keys": [{"kty": "oct", "k": "x"}]}},
    ],
)
def test_no_shared_secret_and_no_private_key(members: dict[str, Any]):
    refusal(**members)


@pytest.mark.spec("CI-11")
def test_a_declared_method_is_kept():
    metadata = read(
        token_endpoint_auth_method="private_key_jwt",
        jwks_uri="https://client.example/jwks.json",
        token_endpoint_auth_signing_alg="RS256",
    )
    assert metadata.token_endpoint_auth_method == "private_key_jwt"
    assert metadata.jwks_uri == "https://client.example/jwks.json"
    assert metadata.token_endpoint_auth_signing_alg == "RS256"


@pytest.mark.spec("CI-05")
@pytest.mark.parametrize(
    "members", [{"client_name": None}, {"client_name": " "}, {"client_name": 1}, {"redirect_uris": None}, {"redirect_uris": []}]
)
def test_name_and_redirect_uris_are_needed(members: dict[str, Any]):
    refusal(**members)


@pytest.mark.spec("CI-06")
def test_redirect_uris_are_strings_and_not_patterns():
    assert read(redirect_uris=["https://app.example/*"]).redirect_uris == ("https://app.example/*",)


def test_redirect_uris_that_could_never_be_used_are_left_out():
    uris = ["javascript:alert(1)", "http://localhost/callback", "otherapp:/cb"]
    assert read(redirect_uris=uris).redirect_uris == ("http://localhost/callback",)
    refusal(redirect_uris=["javascript:alert(1)", "otherapp:/cb"])


def test_the_operators_list_counts():
    assert read(AllowedRedirectURIs(["http://localhost:*"])).redirect_uris == ("http://localhost/callback",)
    with pytest.raises(OAuthError, match="allowed_client_redirect_uris"):
        read(AllowedRedirectURIs([]))


@pytest.mark.parametrize(
    "body", [b"", b"<html>", b"[]", b"null", b'{"client_id": NaN}', b"\xff", b'{"a":1,"a":1}', b"[" * 5000]
)
def test_what_is_no_document(body: bytes):
    with pytest.raises(OAuthError) as caught:
        parse_client_document(URL, body)
    assert caught.value.reason is reasons.CLIENT_DOCUMENT_INVALID
