"""Policies as they are written in a file or a variable."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from difflib import get_close_matches
from functools import partial
from typing import Final

from vestibule.errors import ConfigurationError
from vestibule.policy.addresses import email, email_domain
from vestibule.policy.rules import SignInPolicy, all_of, any_of, claim, group, not_, organisation, role, tenant

__all__ = ["policy_from"]


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
