"""PKCE, with the vector of RFC 7636 appendix B."""

import pytest

from vestibule.protocol import pkce

VERIFIER = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
CHALLENGE = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"


def test_published_vector():
    assert pkce.challenge_for(VERIFIER) == CHALLENGE
    assert pkce.verifier_fits(VERIFIER, CHALLENGE)


def test_new_verifiers_are_valid_and_differ():
    first, second = pkce.new_verifier(), pkce.new_verifier()
    assert first != second
    assert pkce.is_verifier(first)
    assert pkce.is_challenge(pkce.challenge_for(first))


@pytest.mark.spec("AZ-12")
@pytest.mark.parametrize(
    "text", ["", "short", CHALLENGE[:-1], CHALLENGE + "A", CHALLENGE[:-1] + "=", CHALLENGE[:-1] + "\n", "é" * 43]
)
def test_what_is_no_challenge(text: str):
    assert not pkce.is_challenge(text)


@pytest.mark.parametrize("text", ["a" * 42, "a" * 129, "a" * 42 + "+", "a" * 43 + "\n", "é" * 43])
def test_what_is_no_verifier(text: str):
    assert not pkce.is_verifier(text)


@pytest.mark.parametrize(
    ("verifier", "challenge"),
    [
        ("", ""),
        (VERIFIER, ""),
        ("", CHALLENGE),
        (VERIFIER, CHALLENGE[:-1] + "N"),
        (VERIFIER[:-1] + "l", CHALLENGE),
        ("é" * 43, CHALLENGE),
    ],
)
def test_what_does_not_fit(verifier: str, challenge: str):
    assert not pkce.verifier_fits(verifier, challenge)


@pytest.mark.spec("AZ-10", "AZ-11")
def test_the_plain_method_does_not_exist():
    """A verifier is never its own challenge."""
    assert pkce.is_challenge(VERIFIER)
    assert not pkce.verifier_fits(VERIFIER, VERIFIER)
