"""JSON Web Tokens (RFC 7519) as signed JWS compact serialisations (RFC 7515), after the advice of RFC 8725.

Only this module and ``key_set`` import the JOSE library. Keys are imported once, into a :class:`JWTKeySet`; a check of a token then
costs little more than the signature itself. Nothing in a token chooses what it is checked with: algorithms come from the caller,
keys from the set, and ``jwk``, ``jku``, ``x5u`` and ``x5c`` headers are never looked at.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, Key

from vestibule import reasons
from vestibule.errors import ConfigurationError, TokenRejected
from vestibule.keys import base64url
from vestibule.keys.claims import check_audience, check_issuer, check_times, check_type
from vestibule.keys.key_set import (
    ALGORITHMS,
    ASYMMETRIC_ALGORITHMS,
    MAX_TOKEN_BYTES,
    REGISTRY,
    SYMMETRIC_ALGORITHMS,
    JWTKeySet,
    fits,
    load_private_key,
)
from vestibule.protocol.json_documents import read_json_object

if TYPE_CHECKING:
    from vestibule.keys.keyring import KeyRing
    from vestibule.keys.ring_key import SigningKey

__all__ = [
    "ASYMMETRIC_ALGORITHMS",
    "SYMMETRIC_ALGORITHMS",
    "JWTKeySet",
    "check_audience",
    "check_issuer",
    "check_times",
    "check_type",
    "decode",
    "peek_claims",
    "peek_header",
    "sign",
    "sign_access_token",
]

_signers: WeakKeyDictionary[SigningKey, ECKey] = WeakKeyDictionary()


def decode(
    token: str, keys: JWTKeySet, *, algorithms: Collection[str], max_bytes: int = MAX_TOKEN_BYTES
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Check a token's signature and read it. Times, issuer, audience and type are for the caller to check.

    Returns:
        Header and claims.

    Raises:
        TokenRejected: with the one reason why.
    """
    _check_size(token, max_bytes)
    header = _read_header(token)
    _check_critical(header)
    algorithm = _check_algorithm(header, algorithms)
    payload = _verify(token, keys.keys_for(algorithm, header.get("kid")))
    return header, _read_claims(payload)


def peek_header(token: str) -> dict[str, Any] | None:
    """The unchecked header of a token, or None if it is no signed JWT. Good for choosing a verifier, never for trust."""
    try:
        _check_size(token, MAX_TOKEN_BYTES)
        return _read_header(token)
    except TokenRejected:
        return None


def peek_claims(token: str) -> dict[str, Any] | None:
    """The unchecked claims of a token, or None if it is no signed JWT. Good for finding whose keys to try, never for trust."""
    if peek_header(token) is None:
        return None
    try:
        return _read_claims(base64url.decode(token.split(".")[1]) or b"")
    except TokenRejected:
        return None


def sign_access_token(keyring: KeyRing, claims: Mapping[str, Any]) -> str:
    """Sign an access token (RFC 9068 §2.1: ``typ`` is ``at+jwt``) with ES256 and the ring's current key."""
    signing_key = keyring.signing_key
    key = _signers.get(signing_key)
    if key is None:
        key = _signers[signing_key] = ECKey.import_key(signing_key.private_key)
    return _serialise({"typ": "at+jwt", "alg": "ES256", "kid": signing_key.kid}, claims, key)


def sign(
    claims: Mapping[str, Any],
    private_key: str | bytes | Mapping[str, Any],
    algorithm: str,
    headers: Mapping[str, str] | None = None,
) -> str:
    """Sign with an operator's own key, e.g. a client assertion for the provider (RFC 7523 §2.2).

    Args:
        claims: what to sign.
        private_key: PEM, or a JWK as a mapping.
        algorithm: one of :data:`ASYMMETRIC_ALGORITHMS`.
        headers: further headers, e.g. ``kid`` or ``x5t``.

    Raises:
        ConfigurationError: the key cannot be read, or does not fit the algorithm.
    """
    material = json.dumps(dict(private_key)) if isinstance(private_key, Mapping) else private_key
    key = load_private_key(material.encode() if isinstance(material, str) else material)
    if algorithm not in ASYMMETRIC_ALGORITHMS or not fits(key, algorithm):
        raise ConfigurationError(f"The private key cannot be used with the algorithm {algorithm}.")
    return _serialise({"typ": "JWT", **(headers or {}), "alg": algorithm}, claims, key)


def _check_size(token: str, max_bytes: int) -> None:
    if len(token) > max_bytes:
        raise TokenRejected(reasons.TOKEN_TOO_LARGE)


def _read_header(token: str) -> dict[str, Any]:
    segments = token.split(".")
    data = base64url.decode(segments[0]) if len(segments) == 3 else None
    if data is None:
        raise TokenRejected(reasons.TOKEN_OPAQUE, "an encrypted JWT" if len(segments) == 5 else "")
    try:
        return read_json_object(data)
    except ValueError:
        raise TokenRejected(reasons.TOKEN_OPAQUE, "the header is no JSON object") from None


def _check_critical(header: Mapping[str, Any]) -> None:
    # RFC 7515 §4.1.11: a reader must refuse extensions it does not understand, and we understand none. RFC 7797 §6 wants
    # b64:false to be critical; without that it would be read as if it were not there.
    if "crit" in header or header.get("b64", True) is not True:
        raise TokenRejected(reasons.TOKEN_CRITICAL)


def _check_algorithm(header: Mapping[str, Any], allowed: Collection[str]) -> str:
    # RFC 8725 §3.1: the caller's list decides. "none" is not among the algorithms at all.
    algorithm = header.get("alg")
    if not isinstance(algorithm, str) or algorithm not in allowed or algorithm not in ALGORITHMS:
        raise TokenRejected(reasons.TOKEN_ALGORITHM)
    return algorithm


def _verify(token: str, keys: list[Key]) -> bytes:
    try:
        signed = jws.extract_compact(token.encode("ascii"), registry=REGISTRY)
        if any(jws.validate_compact(signed, key, registry=REGISTRY) for key in keys):
            return signed.payload
    except (JoseError, ValueError, TypeError) as error:
        raise TokenRejected(reasons.TOKEN_SIGNATURE, type(error).__name__) from None
    raise TokenRejected(reasons.TOKEN_SIGNATURE)


def _read_claims(payload: bytes) -> dict[str, Any]:
    try:
        claims = read_json_object(payload)
        if b"\\u" in payload:
            _refuse_lone_surrogates(claims)
        return claims
    except ValueError as error:
        detail = "not UTF-8" if isinstance(error, UnicodeError) else "not an unambiguous JSON object"
        raise TokenRejected(reasons.TOKEN_CLAIMS, detail) from None


def _refuse_lone_surrogates(claims: dict[str, Any]) -> None:
    """Text that cannot be written down again (RFC 8259 §8.2) would only fail later, in a log, a header or a store."""
    json.dumps(claims, ensure_ascii=False).encode("utf-8")


def _serialise(header: dict[str, Any], claims: Mapping[str, Any], key: Key) -> str:
    payload = json.dumps(dict(claims), separators=(",", ":"), ensure_ascii=False).encode("utf-8")
    return jws.serialize_compact(header, payload, key, registry=REGISTRY)
