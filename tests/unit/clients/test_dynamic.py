"""Registrations that are their own storage."""

import re
import secrets
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vestibule.clients.dynamic import DynamicClients
from vestibule.errors import OAuthError
from vestibule.keys import base64url
from vestibule.keys.keyring import KeyRing
from vestibule.keys.sealing import Sealer
from vestibule.protocol.client_metadata import ClientMetadata

OLD, NEW = b"o" * 32, b"n" * 32
PUBLIC = ClientMetadata(redirect_uris=("http://127.0.0.1/callback",), client_name="An app")
CONFIDENTIAL = replace(PUBLIC, token_endpoint_auth_method="client_secret_post")
FULL = ClientMetadata(
    redirect_uris=("cursor://anysphere.cursor-mcp/oauth/callback", "https://www.cursor.com/agents/mcp/oauth/callback"),
    token_endpoint_auth_method="private_key_jwt",
    grant_types=("authorization_code", "refresh_token"),
    scope="a b",
    client_name="Ünïcode „App“ 應用",
    client_uri="https://a.example/",
    logo_uri="https://a.example/logo.png",
    tos_uri="https://a.example/tos",
    policy_uri="https://a.example/policy",
    contacts=("who@a.example",),
    software_id="id",
    software_version="1",
    application_type="native",
    jwks={"keys": [{"kty": "OKP", "crv": "Ed25519", "x": "x"}]},
    token_endpoint_auth_signing_alg="EdDSA",
)


def clients(*secrets):
    keyring = KeyRing.from_secrets(list(secrets) or [OLD])
    return DynamicClients(keyring, Sealer(keyring))


@pytest.mark.spec("DCR-01")
@pytest.mark.parametrize("metadata", [PUBLIC, CONFIDENTIAL, FULL, replace(FULL, jwks={"keys": [{"kty": "\ud800"}]})])
def test_what_was_registered_is_found_by_another_process_with_the_same_key(metadata):
    client_id, _ = clients().register(metadata)
    found = clients().find(client_id)
    assert (found.client_id, found.kind, found.metadata) == (client_id, "dynamic", metadata)


@pytest.mark.spec("CI-13")
@pytest.mark.parametrize("metadata", [PUBLIC, FULL])
def test_an_id_looks_like_no_url_and_shows_nothing_of_its_content(metadata):
    client_id, _ = clients().register(metadata)
    assert re.fullmatch(r"vc_[A-Za-z0-9_-]+", client_id)


@pytest.mark.spec("DCR-12")
def test_two_registrations_of_the_same_have_two_ids_and_two_secrets():
    register = clients().register
    assert len({register(CONFIDENTIAL) for _ in range(5)}) == 5
    assert len({register(CONFIDENTIAL)[1] for _ in range(5)}) == 5


@pytest.mark.spec("DCR-04")
@pytest.mark.parametrize("metadata", [PUBLIC, FULL])
def test_a_client_whose_method_uses_no_secret_gets_none(metadata):
    client_id, secret = clients().register(metadata)
    assert secret is None
    assert clients().find(client_id).secret is None


@pytest.mark.spec("DCR-03")
@pytest.mark.parametrize("method", ["client_secret_basic", "client_secret_post"])
def test_a_confidential_client_is_recognised_by_its_secret_and_nothing_else(method):
    client_id, secret = clients().register(replace(PUBLIC, token_endpoint_auth_method=method))
    check = clients().find(client_id).secret
    assert len(secret) == 43
    assert check.fits(secret)
    shortened = base64url.encode(base64url.decode(secret)[:16])
    wrong = ["", " ", secret[:-1], shortened, secret + "=", secret + "A", secret.swapcase(), "é" * 43, "\ud800", client_id]
    assert [text for text in wrong if check.fits(text)] == []


def test_the_secret_of_one_client_does_not_fit_another():
    _, secret = clients().register(CONFIDENTIAL)
    other, _ = clients().register(CONFIDENTIAL)
    assert not clients().find(other).secret.fits(secret)


def test_ids_and_secrets_survive_a_rotation_while_the_old_key_is_listed():
    client_id, secret = clients(OLD).register(CONFIDENTIAL)
    assert clients(NEW, OLD).find(client_id).secret.fits(secret)
    assert clients(NEW).find(client_id) is None


def test_what_is_registered_after_a_rotation_needs_only_the_new_key():
    client_id, secret = clients(NEW, OLD).register(CONFIDENTIAL)
    assert clients(NEW).find(client_id).secret.fits(secret)


def test_whether_the_method_was_named_is_remembered():
    named, _ = clients().register(PUBLIC)
    defaulted, _ = clients().register(PUBLIC, method_defaulted=True)
    assert not clients().find(named).method_defaulted
    assert clients().find(defaulted).method_defaulted


@given(st.text() | st.text().map("vc_".__add__) | st.binary().map(lambda data: "vc_" + data.hex()))
def test_garbage_is_nobody(client_id):
    assert clients().find(client_id) is None


def test_a_changed_cut_or_overlong_id_is_nobody():
    client_id, _ = clients().register(PUBLIC)
    flipped = client_id[:30] + ("A" if client_id[30] != "A" else "B") + client_id[31:]
    assert [
        clients().find(text) for text in (flipped, client_id[:-1], client_id + "A", client_id[3:], client_id + "A" * 20000)
    ] == [None] * 5


def test_what_was_sealed_for_another_purpose_is_no_client():
    sealer = Sealer(KeyRing.from_secrets([OLD]))
    assert clients().find("vc_" + sealer.seal("login", b'\x01{"redirect_uris":[]}')) is None


def test_a_registration_packed_by_a_later_version_is_nobody():
    sealer = Sealer(KeyRing.from_secrets([OLD]))
    assert clients().find("vc_" + sealer.seal("client-id", b"\x02whatever")) is None


def test_the_id_of_a_common_client_fits_a_short_column():
    client_id, _ = clients().register(
        ClientMetadata(
            redirect_uris=("http://localhost:6274/oauth/callback",),
            client_name="MCP Inspector",
            client_uri="https://github.com/modelcontextprotocol/inspector",
            grant_types=("authorization_code", "refresh_token"),
        )
    )
    assert len(client_id) < 255


@pytest.mark.spec("DCR-13")
def test_a_registration_that_no_url_could_carry_is_refused():
    uris = tuple(f"https://app.example/{secrets.token_urlsafe(1000)}" for _ in range(10))
    with pytest.raises(OAuthError, match="too large") as caught:
        clients().register(ClientMetadata(redirect_uris=uris))
    assert caught.value.error == "invalid_client_metadata"
