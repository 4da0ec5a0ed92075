"""Rules about e-mail addresses."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, Final

import idna

from vestibule.errors import ConfigurationError
from vestibule.policy.rules import SignInPolicy, given

__all__ = ["email", "email_domain"]

_LOCAL_PART: Final = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~.\-\x80-\U0010ffff]+")
"""RFC 5321 §4.1.2 without quoted strings, which programs unquote differently, and with the letters of RFC 6531."""


def email(*addresses: str) -> SignInPolicy:
    """Has one of these e-mail addresses, verified by the provider."""
    wanted = {_address(address) for address in given("email", addresses)}
    if None in wanted:
        raise ConfigurationError("email: each address has one @ and a domain.")
    return _by_email(lambda address: address in wanted)


def email_domain(*domains: str) -> SignInPolicy:
    """Has an e-mail address at one of these domains, verified by the provider. Subdomains are domains of their own."""
    wanted = {_domain(domain) for domain in given("email_domain", domains)}
    if None in wanted:
        raise ConfigurationError("email_domain: each is a domain, without @.")
    return _by_email(lambda address: address[1] in wanted)


def _by_email(fits: Callable[[tuple[str, str]], bool]) -> SignInPolicy:
    def rule(claims: Mapping[str, Any]) -> bool | None:
        # Anybody can type an address that is not theirs; only the provider's word that it was verified counts.
        if claims.get("email_verified") is not True:
            return None
        address = _address(claims.get("email"))
        return None if address is None else fits(address)

    return rule


def _address(text: object) -> tuple[str, str] | None:
    """Local part and domain. With more than one ``@``, names, comments or quotes, programs differ on where the parts begin: such an
    address is none."""
    if not isinstance(text, str) or text.count("@") != 1 or "\N{FULLWIDTH COMMERCIAL AT}" in text or not text.isprintable():
        return None
    local, _, host = text.partition("@")
    domain = _domain(host)
    return (_lower(local), domain) if _LOCAL_PART.fullmatch(local) and domain else None


def _domain(text: object) -> str | None:
    """The domain in its ASCII form (RFC 5891), strictly: look-alikes that other readings would map to letters are refused."""
    if not isinstance(text, str) or "@" in text or text.endswith("."):
        return None
    try:
        return idna.encode(_lower(text), strict=True).decode("ascii")
    except idna.IDNAError:
        return None


def _lower(text: str) -> str:
    """In small letters if it is ASCII: elsewhere, capitals of different letters share small ones."""
    return text.lower() if text.isascii() else text
