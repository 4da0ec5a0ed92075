"""Rules about claims, and how they are put together.

A rule answers True, False or, where the claim it needs is missing or cannot be trusted, None; :func:`not_` leaves None as it is. Only True
lets anybody in, so what is not known keeps people out on either side of a ``not_``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, TypeVar

from vestibule.errors import ConfigurationError

__all__ = ["SignInPolicy", "all_of", "any_of", "claim", "given", "group", "not_", "organisation", "role", "tenant"]

_Value = TypeVar("_Value")

_COMPARABLE: Final = (str, bool, int, float)

SignInPolicy = Callable[[Mapping[str, Any]], bool | None]
"""Takes the upstream identity's claims and says whether this account may use the server: True, and nothing else, is yes. Asked at
sign-in and whenever the provider's tokens are renewed."""


def claim(name: str | Sequence[str], *values: object) -> SignInPolicy:
    """The claim is one of `values`, or a list that holds one of them. A claim of another type or form cannot be told from them.

    Args:
        name: of the claim; of one inside others the way there, e.g. ``["realm_access", "roles"]``.
        values: texts, numbers or truth values, of the same type as the claim's: ``True`` is not ``1``.

    Raises:
        ConfigurationError: no values, or some of another type.
    """
    path = (name,) if isinstance(name, str) else tuple(name)
    wanted = given(".".join(path), values)
    if not all(isinstance(value, _COMPARABLE) for value in wanted):
        raise ConfigurationError(f"{'.'.join(path)}: each value is a text, a number or a truth value.")
    kinds = {type(value) for value in wanted}

    def rule(claims: Mapping[str, Any]) -> bool | None:
        found = _find(claims, path)
        if found is None:
            return None
        held = found if isinstance(found, list | tuple) else (found,)
        if any(_same(one, other) for one in held for other in wanted):
            return True
        return _certain(all(type(one) in kinds for one in held), False)

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
    """Of one of these Entra ID tenants (claim ``tid``). Entra writes their GUIDs in small letters, portals do not always."""
    return claim("tid", *(each.lower() if isinstance(each, str) else each for each in ids))


def all_of(*rules: SignInPolicy) -> SignInPolicy:
    """All of the rules say yes."""
    checked = given("all_of", rules)

    def rule(claims: Mapping[str, Any]) -> bool | None:
        said = [each(claims) for each in checked]
        return False if False in said else _certain(all(one is True for one in said), True)

    return rule


def any_of(*rules: SignInPolicy) -> SignInPolicy:
    """One of the rules says yes."""
    checked = given("any_of", rules)

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


def given(name: str, values: tuple[_Value, ...]) -> tuple[_Value, ...]:
    """An empty list says neither everybody nor nobody."""
    if not values:
        raise ConfigurationError(f"{name}: nothing is named.")
    return values


def _find(claims: Mapping[str, Any], path: Sequence[str]) -> object:
    found: object = claims
    for name in path:
        found = found.get(name) if isinstance(found, Mapping) else None
    return found


def _same(one: object, other: object) -> bool:
    return type(one) is type(other) and one == other


def _certain(known: bool, answer: bool) -> bool | None:
    return answer if known else None
