"""The key ring: one key per purpose, rotation, the public key set."""

from __future__ import annotations

import hashlib
import json
import logging
import os

import pytest

from vestibule.errors import ConfigurationError
from vestibule.keys import base64url
from vestibule.keys.keyring import KeyRing, check_secret_strength

OLD, NEW = "old secret " * 4, "new secret " * 4


def test_each_purpose_has_a_key_of_its_own() -> None:
    ring = KeyRing.from_secrets(OLD)
    keys = [ring.derive(purpose) for purpose in ("cookies", "client-secret", "code", "refresh", "sealing record", "")]
    assert len(set(keys)) == len(keys)
    assert all(len(key) == 32 for key in keys)


def test_keys_are_the_same_in_every_process_and_for_text_and_bytes() -> None:
    assert KeyRing.from_secrets(OLD).derive("code") == KeyRing.from_secrets([OLD.encode()]).derive("code")
    # Pinned: were the derivation to change, an update would end every session.
    assert (
        KeyRing.from_secrets("0" * 32).derive("code").hex()
        == "0f4cddc3e40632344432327192fb82035855efa6de304529ceb21f5d9fb7d70b"
    )
    assert KeyRing.from_secrets("0" * 32).signing_key.kid == "BwlV6gY5rKZX3qtERzSjtlZL1KW3hNq6XZlcFGQHJjk"


def test_the_current_secret_comes_first() -> None:
    ring = KeyRing.from_secrets([NEW, OLD])
    assert ring.keys_for("code") == (KeyRing.from_secrets(NEW).derive("code"), KeyRing.from_secrets(OLD).derive("code"))


@pytest.mark.parametrize("secrets", [[], "", b"", ["good", ""]])
def test_an_empty_secret_is_refused(secrets) -> None:
    with pytest.raises(ConfigurationError):
        KeyRing.from_secrets(secrets)


def test_a_tag_fits_with_any_listed_key_and_no_other() -> None:
    tag = KeyRing.from_secrets(OLD).mac("code", b"data")
    rotated = KeyRing.from_secrets([NEW, OLD])
    assert rotated.mac_fits("code", b"data", tag)
    assert rotated.mac_fits("code", b"data", tag[:16])
    assert rotated.mac("code", b"data") != tag
    assert not rotated.mac_fits("refresh", b"data", tag)
    assert not rotated.mac_fits("code", b"other", tag)
    assert not KeyRing.from_secrets(NEW).mac_fits("code", b"data", tag)


def test_a_tag_cannot_be_cut_below_16_bytes_nor_stretched() -> None:
    ring = KeyRing.from_secrets(OLD)
    tag = ring.mac("code", b"data")
    assert not any(ring.mac_fits("code", b"data", tag[:length]) for length in range(16))
    assert not ring.mac_fits("code", b"data", tag + b"\0")


@pytest.mark.spec("ASM-12")
def test_the_published_key_set_holds_public_members_only() -> None:
    ring = KeyRing.from_secrets([NEW, OLD])
    keys = ring.jwks()["keys"]
    assert [set(key) for key in keys] == [{"kty", "crv", "x", "y", "use", "alg", "kid"}] * 2
    assert [(key["use"], key["alg"]) for key in keys] == [("sig", "ES256")] * 2
    assert keys[0]["kid"] == ring.signing_key.kid != keys[1]["kid"]


def test_a_key_id_is_the_rfc_7638_thumbprint() -> None:
    (key,) = KeyRing.from_secrets(OLD).jwks()["keys"]
    text = '{{"crv":"P-256","kty":"EC","x":"{}","y":"{}"}}'.format(key["x"], key["y"])
    assert key["kid"] == base64url.encode(hashlib.sha256(text.encode()).digest())


def test_a_ring_shows_nothing_of_its_secrets() -> None:
    ring = KeyRing.from_secrets([NEW, OLD])
    shown = repr(ring) + repr(ring.signing_key) + json.dumps(ring.jwks())
    assert "secret" not in shown
    assert str(ring.signing_key.private_key.private_numbers().private_value) not in shown


GOOD = "4Uu2m0V2cYx1oWv0cQmJtq0H3xkHhT8x5ZQ"
WEAK = ["short", "a" * 64, "please-change-me-please-please-please", "your_secret_key_goes_here_1234567890"]


@pytest.mark.parametrize("secret", WEAK)
def test_a_weak_secret_is_refused_on_a_public_url_and_warned_of_on_loopback(secret: str, caplog) -> None:
    with pytest.raises(ConfigurationError, match="jwt_signing_key") as caught:
        check_secret_strength(secret, "https://mcp.example.com")
    with pytest.raises(ConfigurationError):
        check_secret_strength(secret, "https://localhost.example.com")
    with caplog.at_level(logging.WARNING, "vestibule"):
        check_secret_strength(secret, "http://127.0.0.1:8000")
    assert len(caplog.records) == 1
    assert secret not in caplog.text + str(caught.value)


def test_a_strong_secret_passes_in_silence(caplog: pytest.LogCaptureFixture) -> None:
    check_secret_strength(GOOD, "https://mcp.example.com")
    check_secret_strength(os.urandom(32), "https://mcp.example.com")
    assert not caplog.records


@pytest.mark.parametrize("url", ["http://localhost:8000", "https://mcp.example.com"])
def test_an_empty_secret_is_never_accepted(url: str) -> None:
    with pytest.raises(ConfigurationError, match="empty"):
        check_secret_strength("", url)


@pytest.mark.parametrize(
    "secret",
    [
        '"file:///var/lib/vestibule/secrets/keys.json"',
        " file:///var/lib/vestibule/secrets/keys.json",
        "FILE:///var/lib/vestibule/secrets/keys.json",
        b"file:///var/lib/vestibule/secrets/keys.json",
        ["file:///var/lib/vestibule/secrets/keys.json"],
        __file__,
        f"'{__file__}'\n".encode(),
    ],
)
def test_the_name_of_a_file_is_never_a_secret(secret: str | bytes | list[str]) -> None:
    with pytest.raises(ConfigurationError, match="A key file is named alone"):
        KeyRing.from_secrets(secret)
    for item in secret if isinstance(secret, list) else [secret]:
        with pytest.raises(ConfigurationError, match="A key file is named alone"):
            check_secret_strength(item, "http://localhost:8000")
