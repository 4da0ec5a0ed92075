"""Redirect URIs: which may be registered, and which presented one is a registered one (OAuth 2.1 §2.3; RFC 8252 §7; RFC 9700 §2.1).

The one matcher: registration, client documents, the authorization request and the token request all ask here.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Final

from vestibule import reasons
from vestibule.errors import OAuthError
from vestibule.protocol.redirect_patterns import DANGEROUS_SCHEMES, AllowedRedirectURIs
from vestibule.protocol.uris import URI, parse_uri
from vestibule.reasons import Reason

__all__ = [
    "KNOWN_SCHEMES",
    "AllowedRedirectURIs",
    "check_redirect_uri",
    "display_host",
    "find_registered",
    "is_loopback",
    "is_private_use",
    "redirect_uri_matches",
]

# Private-use schemes without a dot that MCP clients in use have claimed. RFC 8252 §7.1 asks for a reversed domain name; these came
# without, and their users want to sign in.
KNOWN_SCHEMES: Final = frozenset(
    {
        "cherrystudio", "claude", "cursor", "goose", "insomnia", "kiro", "lmstudio", "postman", "raycast", "trae", "vscode",
        "vscode-insiders", "vscodium", "warp", "windsurf", "windsurf-next", "zed",
    }
)  # fmt: skip


def check_redirect_uri(
    uri: str, *, allowed_schemes: Collection[str] = KNOWN_SCHEMES, allowed: AllowedRedirectURIs | None = None
) -> None:
    """Check that a client may register `uri`.

    Args:
        uri: as the client wrote it.
        allowed_schemes: private-use schemes that need no dot.
        allowed: the operator's list; None is no limit beyond the rules.

    Raises:
        OAuthError: ``invalid_redirect_uri`` (RFC 7591 §3.2.2); the detail names the URI and the rule.
    """
    parsed = parse_uri(uri)
    if parsed is None:
        raise _refused(uri, "it is not an absolute URI of RFC 3986")
    _check_no_fragment(parsed)
    _check_no_userinfo(parsed)
    _check_no_dot_segments(parsed)
    admitted = allowed is not None and allowed.admits(uri)
    _check_scheme(parsed, allowed_schemes, admitted=admitted)
    if allowed is not None and not admitted:
        raise _refused(uri, "allowed_client_redirect_uris does not admit it", reasons.REDIRECT_URI_NOT_ALLOWED)


def _check_no_fragment(uri: URI) -> None:
    if uri.has_fragment:
        raise _refused(uri.text, "it has a fragment (RFC 6749 §3.1.2)")


def _check_no_userinfo(uri: URI) -> None:
    if uri.has_userinfo:
        raise _refused(uri.text, "it has user information, which people take for a host")


def _check_no_dot_segments(uri: URI) -> None:
    if uri.has_dot_segments:
        raise _refused(uri.text, "it has dot segments, which browsers resolve before they follow it")


def _check_scheme(uri: URI, allowed_schemes: Collection[str], *, admitted: bool) -> None:
    if uri.scheme in DANGEROUS_SCHEMES:
        raise _refused(uri.text, f"the scheme {uri.scheme} does not lead back to a client")
    if uri.scheme == "http" and not uri.is_loopback:
        raise _refused(uri.text, "http is only for loopback addresses (OAuth 2.1 §2.3)")
    if not (uri.is_web or "." in uri.scheme or uri.scheme in allowed_schemes or admitted):
        raise _refused(uri.text, f"the private-use scheme {uri.scheme} has no dot (RFC 8252 §7.1)")


def _refused(uri: str, why: str, reason: Reason = reasons.REDIRECT_URI_INVALID) -> OAuthError:
    return OAuthError("invalid_redirect_uri", reason, f"redirect URI {uri[:200]!a}: {why}")


def redirect_uri_matches(registered: str, presented: str) -> bool:
    """Whether `presented` is the registered one: the same string, or the same but for the port of an http loopback URI.

    RFC 9700 §4.1.3 wants a string comparison; RFC 8252 §7.3 lets native apps choose the port when they start. Host (127.0.0.1 is
    not localhost), path and query stay exact.
    """
    if registered == presented:
        return True
    mine, theirs = parse_uri(registered), parse_uri(presented)
    if mine is None or theirs is None or not (_may_choose_port(mine) and _may_choose_port(theirs)):
        return False
    return mine.at(mine.literal_host) == theirs.at(theirs.literal_host)


def _may_choose_port(uri: URI) -> bool:
    return uri.scheme == "http" and uri.is_loopback and not uri.has_userinfo


def find_registered(registered: Sequence[str], presented: str | None, *, loopback_spellings: bool = False) -> str | None:
    """The redirect URI to use, or None if there is none.

    Args:
        registered: what the client registered.
        presented: what the request says; None if it says nothing, which is enough where one URI is registered (OAuth 2.1 §2.3.2).
        loopback_spellings: for a client that lists localhost and 127.0.0.1 alike, [::1] is the same again.

    Returns:
        `presented` as it came, port included; or the only registered one.
    """
    if presented is None:
        return registered[0] if len(registered) == 1 else None
    if _is_one_of(registered, presented):
        return presented
    if loopback_spellings and _spelled_both_ways(registered, presented):
        return presented
    return None


def _is_one_of(registered: Sequence[str], presented: str) -> bool:
    return any(redirect_uri_matches(uri, presented) for uri in registered)


def _spelled_both_ways(registered: Sequence[str], presented: str) -> bool:
    uri = parse_uri(presented)
    if uri is None or not _may_choose_port(uri):
        return False
    return all(_is_one_of(registered, uri.at(host, uri.port)) for host in ("localhost", "127.0.0.1"))


def is_loopback(uri: str) -> bool:
    """Whether `uri` leads to a program on the user's own machine, which nobody can tell from another (RFC 8252 §8.6)."""
    parsed = parse_uri(uri)
    return parsed is not None and parsed.is_loopback


def is_private_use(uri: str) -> bool:
    """Whether `uri` opens an app by a scheme of its own, which any app can claim (RFC 8252 §7.1, §8.6)."""
    parsed = parse_uri(uri)
    return parsed is not None and not parsed.is_web


def display_host(uri: str) -> str:
    """Where `uri` leads, for the consent page: host and port, or the scheme alone of a private-use URI.

    What follows a private-use scheme is not shown: it is the app's own text and could name anybody's host. Names in Punycode stay
    so. A URI that cannot be read gives an empty text.
    """
    parsed = parse_uri(uri)
    if parsed is None:
        return ""
    if not parsed.is_web:
        return f"{parsed.scheme}:"
    return parsed.literal_host.lower() + (f":{parsed.port}" if parsed.port else "")
