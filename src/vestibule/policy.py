"""Who may sign in.

Rules are functions of the identity's claims, put together in code ::

    from vestibule.policy import all_of, email_domain, group, not_

    sign_in_policy = all_of(email_domain("example.com"), not_(group("contractors")))

or written as a table, see :func:`policy_from`. A rule answers True, False or, where the claim it needs is missing or cannot be trusted, None;
:func:`not_` leaves None as it is. Only True lets anybody in, so what is not known keeps people out on either side of a ``not_``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from difflib import get_close_matches
from functools import partial
from typing import Any, Final, TypeVar

import idna

from vestibule.errors import ConfigurationError, SignInRefused

__all__ = [
    "SignInPolicy",
    "all_of",
    "any_of",
    "check_sign_in",
    "claim",
    "email",
    "email_domain",
    "group",
    "not_",
    "not_admitted",
    "organisation",
    "policy_from",
    "role",
    "tenant",
]

_Value = TypeVar("_Value")

SignInPolicy = Callable[[Mapping[str, Any]], bool | None]
"""Takes the upstream identity's claims and says whether this account may use the server: True, and nothing else, is yes. Asked at
sign-in and whenever the provider's tokens are renewed."""


def check_sign_in(policy: SignInPolicy | None, claims: Mapping[str, Any]) -> None:
    """Ask the policy.

    Raises:
        SignInRefused: naming the account. A policy that raises refuses, too.
    """
    if policy is None:
        return
    try:
        allowed = policy(claims) is True
    except Exception as error:
        raise not_admitted(claims, f"the policy failed: {type(error).__name__}") from error
    if not allowed:
        raise not_admitted(claims)


def claim(name: str | Sequence[str], *values: object) -> SignInPolicy:
    """The claim is one of `values`, or a list that holds one of them.

    Args:
        name: of the claim; of one inside others the way there, e.g. ``["realm_access", "roles"]``.
        values: of the same type as the claim's: ``True`` is not ``1``.

    Raises:
        ConfigurationError: no values.
    """
    path = (name,) if isinstance(name, str) else tuple(name)
    wanted = _given(".".join(path), values)

    def rule(claims: Mapping[str, Any]) -> bool | None:
        found = _find(claims, path)
        if found is None:
            return None
        held = found if isinstance(found, list | tuple) else (found,)
        return any(_same(one, other) for one in held for other in wanted)

    return rule


def group(*names: str) -> SignInPolicy:
    """In one of these groups (claim ``groups``)."""
    return claim("groups", *names)


def role(*names: str) -> SignInPolicy:
    """Has one of these roles (claim ``roles``)."""
    return claim("roles", *names)


def organisation(*ids: str) -> SignInPolicy:
    """Of one of these organisations (claim ``org_id``)."""
    return claim("org_id", *ids)


def tenant(*ids: str) -> SignInPolicy:
    """Of one of these Entra ID tenants (claim ``tid``)."""
    return claim("tid", *ids)


def email(*addresses: str) -> SignInPolicy:
    """Has one of these e-mail addresses, verified by the provider."""
    wanted = {_address(address) for address in _given("email", addresses)}
    if None in wanted:
        raise ConfigurationError("email: each address has one @ and a domain.")
    return _by_email(lambda address: address in wanted)


def email_domain(*domains: str) -> SignInPolicy:
    """Has an e-mail address at one of these domains, verified by the provider. Subdomains are domains of their own."""
    wanted = {_domain(domain) for domain in _given("email_domain", domains)}
    if None in wanted:
        raise ConfigurationError("email_domain: each is a domain, without @.")
    return _by_email(lambda address: address[1] in wanted)


def all_of(*rules: SignInPolicy) -> SignInPolicy:
    """All of the rules say yes."""
    checked = _given("all_of", rules)

    def rule(claims: Mapping[str, Any]) -> bool | None:
        said = [each(claims) for each in checked]
        return False if False in said else _certain(all(one is True for one in said), True)

    return rule


def any_of(*rules: SignInPolicy) -> SignInPolicy:
    """One of the rules says yes."""
    checked = _given("any_of", rules)

    def rule(claims: Mapping[str, Any]) -> bool | None:
        said = [each(claims) for each in checked]
        return any(one is True for one in said) or _certain(all(one is False for one in said), False)

    return rule


def not_(rule: SignInPolicy) -> SignInPolicy:
    """The rule says no. What it cannot tell stays unknown, and nobody gets in by it."""

    def negated(claims: Mapping[str, Any]) -> bool | None:
        said = rule(claims)
        return None if said is None else said is False

    return negated


def policy_from(table: object) -> SignInPolicy:
    """The policy that a table describes, such as ::

        [auth0.sign_in_policy]
        email_domain = ["example.com", "example.org"]
        not = { group = "contractors" }
        claim = { realm_access = { roles = "mcp-user" } }

    Keys are ``email``, ``email_domain``, ``group``, ``role``, ``organisation``, ``tenant``, ``claim``, ``all_of``, ``any_of`` (lists of such
    tables) and ``not`` (one). All keys of a table have to hold; of several values one.

    Raises:
        ConfigurationError: it describes none; the message names the key.
    """
    if not isinstance(table, Mapping) or not table:
        raise ConfigurationError("a sign-in policy is a table of rules.")
    rules = [_read_rule(key, value) for key, value in table.items()]
    return rules[0] if len(rules) == 1 else all_of(*rules)


def _read_rule(key: object, value: object) -> SignInPolicy:
    reader = _READERS.get(str(key))
    if reader is None:
        near = get_close_matches(str(key), _READERS, n=1)
        raise ConfigurationError(f"{key} is no rule.{f' Did you mean {near[0]}?' if near else ''}")
    return reader(value)


def _read_texts(name: str, rule: Callable[..., SignInPolicy], value: object) -> SignInPolicy:
    texts = value if isinstance(value, list) else [value]
    if not all(isinstance(text, str) for text in texts):
        raise ConfigurationError(f"{name} is a text or a list of texts.")
    return rule(*texts)


def _read_rules(name: str, combine: Callable[..., SignInPolicy], value: object) -> SignInPolicy:
    if not isinstance(value, list):
        raise ConfigurationError(f"{name} is a list of tables.")
    return combine(*(policy_from(each) for each in value))


def _read_claims(path: tuple[str, ...], value: object) -> SignInPolicy:
    """A table inside a table is the way to a claim inside a claim."""
    if isinstance(value, Mapping) and value:
        rules = [_read_claims((*path, str(name)), inner) for name, inner in value.items()]
        return rules[0] if len(rules) == 1 else all_of(*rules)
    if not path or isinstance(value, Mapping):
        raise ConfigurationError("claim is a table of claims and their values.")
    return claim(path, *(value if isinstance(value, list) else [value]))


_TEXTS: Final[Mapping[str, Callable[..., SignInPolicy]]] = {
    "email": email,
    "email_domain": email_domain,
    "group": group,
    "role": role,
    "organisation": organisation,
    "tenant": tenant,
}

_READERS: Final[Mapping[str, Callable[[object], SignInPolicy]]] = {
    **{name: partial(_read_texts, name, rule) for name, rule in _TEXTS.items()},
    "claim": partial(_read_claims, ()),
    "all_of": partial(_read_rules, "all_of", all_of),
    "any_of": partial(_read_rules, "any_of", any_of),
    "not": lambda value: not_(policy_from(value)),
}


def _by_email(fits: Callable[[tuple[str, str]], bool]) -> SignInPolicy:
    def rule(claims: Mapping[str, Any]) -> bool | None:
        # Anybody can type an address that is not theirs; only the provider's word that it was verified counts.
        if claims.get("email_verified") is not True:
            return None
        address = _address(claims.get("email"))
        return None if address is None else fits(address)

    return rule


def _address(text: object) -> tuple[str, str] | None:
    """Local part and domain. With more than one ``@`` programs differ on where the domain begins: such an address is none."""
    if not isinstance(text, str) or text.count("@") != 1 or not text.isprintable():
        return None
    local, _, host = text.partition("@")
    domain = _domain(host)
    return (_lower(local), domain) if local and domain else None


def _domain(text: object) -> str | None:
    """The domain in its ASCII form (RFC 5891), strictly: look-alikes that other readings would map to letters are refused."""
    if not isinstance(text, str) or "@" in text:
        return None
    try:
        return idna.encode(_lower(text), strict=True).decode("ascii")
    except idna.IDNAError:
        return None


def _lower(text: str) -> str:
    """In small letters if it is ASCII: elsewhere, capitals of different letters share small ones."""
    return text.lower() if text.isascii() else text


def _find(claims: Mapping[str, Any], path: Sequence[str]) -> object:
    found: object = claims
    for name in path:
        found = found.get(name) if isinstance(found, Mapping) else None
    return found


def _same(one: object, other: object) -> bool:
    return type(one) is type(other) and one == other


def _certain(known: bool, answer: bool) -> bool | None:
    return answer if known else None


def _given(name: str, values: tuple[_Value, ...]) -> tuple[_Value, ...]:
    """An empty list says neither everybody nor nobody."""
    if not values:
        raise ConfigurationError(f"{name}: nothing is named.")
    return values


def not_admitted(claims: Mapping[str, Any], detail: str = "") -> SignInRefused:
    """The refusal of the account that these claims are about."""
    names = (claims.get(name) for name in ("email", "preferred_username", "login", "name", "sub"))
    account = next((name for name in names if isinstance(name, str) and name), "")
    return SignInRefused(account, detail, subject=str(claims.get("sub") or ""))
