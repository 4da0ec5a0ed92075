"""What follows from a client's metadata."""

from dataclasses import replace

import pytest

from vestibule.clients.model import Client
from vestibule.protocol.client_metadata import ClientMetadata

CALLBACK = "https://app.example/callback"


def client(kind="document", **members):
    return Client(
        client_id="https://app.example/client.json",
        kind=kind,
        metadata=ClientMetadata(**{"redirect_uris": (CALLBACK,), **members}),
    )


class Secret:
    def fits(self, presented):
        return presented == "right"


@pytest.mark.spec("TK-22")
@pytest.mark.parametrize("method", ["none", "private_key_jwt"])
def test_a_client_with_a_secret_cannot_be_one_that_needs_none(method):
    metadata = ClientMetadata(redirect_uris=(CALLBACK,), token_endpoint_auth_method=method)
    with pytest.raises(ValueError, match="secret"):
        Client(client_id="x", kind="configured", metadata=metadata, secret=Secret())


@pytest.mark.spec("TK-22")
@pytest.mark.parametrize("method", ["client_secret_basic", "client_secret_post"])
def test_a_client_that_needs_a_secret_cannot_be_without(method):
    with pytest.raises(ValueError, match="secret"):
        client(token_endpoint_auth_method=method)


def test_the_secret_is_in_no_repr():
    metadata = ClientMetadata(redirect_uris=(CALLBACK,), token_endpoint_auth_method="client_secret_post")
    assert "Secret" not in repr(Client(client_id="x", kind="configured", metadata=metadata, secret=Secret()))


@pytest.mark.spec("CI-12")
@pytest.mark.parametrize(
    "change",
    [
        {"redirect_uris": (CALLBACK, "https://app.example/other")},
        {"token_endpoint_auth_method": "private_key_jwt"},
        {"jwks_uri": "https://app.example/jwks.json"},
        {"jwks": {"keys": [{"kty": "OKP"}]}},
    ],
)
def test_a_change_of_where_codes_go_or_who_redeems_them_changes_the_fingerprint(change):
    before = client()
    after = replace(before, metadata=replace(before.metadata, **change))
    assert len(before.fingerprint) == 16
    assert after.fingerprint != before.fingerprint


@pytest.mark.spec("CI-12")
def test_a_new_name_or_another_order_of_redirect_uris_does_not():
    before = client(redirect_uris=("https://a.example/", "https://b.example/"))
    after = client(
        redirect_uris=("https://b.example/", "https://a.example/"), client_name="New", logo_uri="https://a.example/l.png"
    )
    assert after.fingerprint == before.fingerprint


@pytest.mark.parametrize(
    ("kind", "uris", "expected"),
    [
        ("document", ("http://localhost/callback", "http://127.0.0.1/callback"), True),
        ("document", ("http://localhost/callback",), False),
        ("document", ("https://localhost/callback", "http://127.0.0.1/callback"), False),
        ("dynamic", ("http://localhost/callback", "http://127.0.0.1/callback"), False),
    ],
)
def test_loopback_spellings_are_one_for_documents_that_list_both(kind, uris, expected):
    assert client(kind, redirect_uris=uris).loopback_spellings is expected


@pytest.mark.spec("TK-15", "TK-25")
@pytest.mark.parametrize(
    ("registered", "refresh"), [(("authorization_code",), False), (("authorization_code", "refresh_token"), True), ((), True)]
)
def test_a_client_may_use_the_grant_types_it_registered_and_both_if_it_named_none(registered, refresh):
    subject = client(grant_types=registered)
    assert subject.allows_grant("authorization_code")
    assert subject.allows_grant("refresh_token") is refresh
    assert not subject.allows_grant("password")


def test_only_sealed_ids_are_shortened_for_the_log():
    assert client().short_id == "https://app.example/client.json"
    assert replace(client("dynamic"), client_id="vc_" + "x" * 300).short_id == "vc_" + "x" * 21
