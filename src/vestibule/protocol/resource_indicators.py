"""Resource indicators: which protected resource a token is for (RFC 8707)."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from vestibule import reasons
from vestibule.errors import OAuthError
from vestibule.protocol.uris import parse_uri

__all__ = ["check_resource", "choose_resource", "same_resource"]


def check_resource(value: str) -> str:
    """`value`, if it can be a resource: an absolute URI without a fragment (RFC 8707 §2).

    Raises:
        OAuthError: ``invalid_target``.
    """
    uri = parse_uri(value)
    if uri is None or uri.has_fragment or uri.has_userinfo:
        raise _invalid(f"{value[:200]!a} is not an absolute URI without fragment and user information")
    return value


def same_resource(a: str, b: str) -> bool:
    """Whether both name the same resource: the same string, or a bare host with and without its one slash.

    The empty path and ``/`` are one path (RFC 3986 §6.2.3), and clients in use send either. Nothing else is equal.
    """
    return _without_bare_slash(a) == _without_bare_slash(b)


def _without_bare_slash(value: str) -> str:
    uri = parse_uri(value)
    return value[:-1] if uri is not None and uri.is_web and uri.rest == "/" else value


def choose_resource(values: Sequence[str], served: Collection[str]) -> str | None:
    """The one resource, spelled as it is served, that the ``resource`` parameters of a request ask for.

    Every value is looked at: a token for one resource is no answer to a request that also names another (RFC 8707 §2).

    Args:
        values: the parameters, in any order.
        served: the resources there are.

    Returns:
        None if there are no values.

    Raises:
        OAuthError: ``invalid_target``, if a value is malformed or not served, or if they name different resources.
    """
    chosen = {_find_served(check_resource(value), served) for value in values}
    if len(chosen) > 1:
        raise _invalid("more than one resource in one request")
    return chosen.pop() if chosen else None


def _find_served(value: str, served: Collection[str]) -> str:
    for resource in served:
        if same_resource(resource, value):
            return resource
    raise _invalid(f"{value[:200]!a} is none of {sorted(served)!a}")


def _invalid(detail: str) -> OAuthError:
    return OAuthError("invalid_target", reasons.RESOURCE_INVALID, detail)
