"""Clients that the operator lists."""

import pytest

from vestibule.clients.configured import ConfiguredClient, ConfiguredClients
from vestibule.errors import ConfigurationError

CALLBACK = ("https://app.example/callback",)
SECRET = "correct horse battery"


def configured(**members):
    return ConfiguredClients([ConfiguredClient(**{"client_id": "app", "redirect_uris": CALLBACK, **members})])


def test_a_client_is_found_by_exactly_its_id():
    clients = configured(client_name="App", scope="a b")
    assert clients.find("App") is None
    found = clients.find("app")
    assert (found.kind, found.metadata.client_name, found.metadata.redirect_uris) == ("configured", "App", CALLBACK)
    assert found.allows_grant("refresh_token")


@pytest.mark.parametrize(
    ("members", "method"),
    [
        ({}, "none"),
        ({"client_secret": SECRET}, "client_secret_basic"),
        ({"jwks_uri": "https://app.example/jwks.json"}, "private_key_jwt"),
        ({"client_secret": SECRET, "token_endpoint_auth_method": "client_secret_post"}, "client_secret_post"),
    ],
)
def test_the_method_follows_from_the_credentials(members, method):
    assert configured(**members).find("app").auth_method == method


@pytest.mark.spec("TK-23")
def test_the_secret_is_recognised_but_nowhere_to_be_read():
    client = configured(client_secret=SECRET).find("app")
    assert client.secret.fits(SECRET)
    assert [text for text in ("", SECRET[:-1], SECRET + " ", SECRET.upper(), "\ud800") if client.secret.fits(text)] == []
    assert SECRET not in repr(client) + repr(client.secret)
    assert SECRET not in repr(ConfiguredClient(client_id="app", redirect_uris=CALLBACK, client_secret=SECRET))


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ({"client_id": ""}, "client_id"),
        ({"client_id": "a\nb"}, "client_id"),
        ({"client_secret": "short"}, "16 characters"),
        ({"client_secret": ""}, "without use"),
        ({"token_endpoint_auth_method": "client_secret_post"}, "16 characters"),
        ({"token_endpoint_auth_method": "none", "client_secret": SECRET}, "without use"),
        ({"token_endpoint_auth_method": "client_secret_jwt"}, "unknown"),
        ({"token_endpoint_auth_method": "private_key_jwt"}, "jwks"),
        ({"jwks": {"keys": []}, "jwks_uri": "https://app.example/jwks.json"}, "jwks"),
        ({"redirect_uris": ("javascript:alert(1)",)}, "javascript"),
        ({"redirect_uris": ("http://app.example/callback",)}, "http"),
    ],
)
def test_what_cannot_work_is_said_at_start(members, message):
    with pytest.raises(ConfigurationError, match=message) as caught:
        configured(**members)
    assert SECRET not in str(caught.value)


def test_an_id_is_given_once():
    client = ConfiguredClient(client_id="app", redirect_uris=CALLBACK)
    with pytest.raises(ConfigurationError, match="twice"):
        ConfiguredClients([client, client])


def test_the_operator_may_admit_a_private_use_scheme_without_a_dot():
    assert configured(redirect_uris=("myapp:/callback",)).find("app").metadata.redirect_uris == ("myapp:/callback",)
