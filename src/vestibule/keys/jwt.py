"""JSON Web Tokens (RFC 7519) as signed JWS compact serialisations (RFC 7515), after the advice of RFC 8725.

The only module that imports the JOSE library. Keys are imported once, into a :class:`JWTKeySet`; a check of a token then costs
little more than the signature itself. Nothing in a token chooses what it is checked with: algorithms come from the caller, keys
from the set, and ``jwk``, ``jku``, ``x5u`` and ``x5c`` headers are never looked at.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final
from weakref import WeakKeyDictionary

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa
from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_pem_public_key
from cryptography.x509 import load_pem_x509_certificate
from joserfc import jws
from joserfc.errors import JoseError, UnsupportedAlgorithmError
from joserfc.jwa import JWSAlgModel
from joserfc.jwk import ECKey, Key, OctKey, OKPKey, RSAKey

from vestibule import reasons
from vestibule.errors import ConfigurationError, TokenRejected
from vestibule.keys import base64url
from vestibule.protocol.json_documents import read_json_object

if TYPE_CHECKING:
    from vestibule.keys.keyring import KeyRing

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

SYMMETRIC_ALGORITHMS: Final = frozenset({"HS256", "HS384", "HS512"})
ASYMMETRIC_ALGORITHMS: Final = frozenset(
    {"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA", "Ed25519", "Ed448"}
)
_ALGORITHMS: Final = SYMMETRIC_ALGORITHMS | ASYMMETRIC_ALGORITHMS
_CURVES: Final = {"EC": ("P-256", "P-384", "P-521"), "OKP": ("Ed25519", "Ed448")}
_PUBLIC_MEMBERS: Final = {"RSA": ("n", "e"), "EC": ("crv", "x", "y"), "OKP": ("crv", "x")}
_KEY_TYPES: Final[dict[str, type[RSAKey | ECKey | OKPKey]]] = {"RSA": RSAKey, "EC": ECKey, "OKP": OKPKey}

_MAX_BYTES = 16 * 1024
_MAX_KEYS = 100
_MAX_KEYS_TRIED = 10
_MINIMUM_RSA_BITS = 2048  # RFC 7518 §3.3
_MAXIMUM_RSA_BITS = 8192
_MAXIMUM_EXPONENT_BYTES = 4
"""Keys in use have 65537. A check costs as much as the exponent is long, and anybody may publish a key for us to check with."""
_LAST_DATE = 253_402_300_799  # the end of the year 9999


class _Registry(jws.JWSRegistry):
    """The library's rules with our list of algorithms, and room for an ``x5c`` header and an RSA-8192 signature."""

    max_header_length = _MAX_BYTES
    max_signature_length = 4096

    def get_alg(self, name: str) -> JWSAlgModel:
        if name not in _ALGORITHMS:
            raise UnsupportedAlgorithmError("the algorithm is not supported")
        return self.algorithms[name]


_registry = _Registry(strict_check_header=False)


class JWTKeySet:
    """Keys that tokens are checked with, imported and ready."""

    def __init__(self, keys: Iterable[tuple[str | None, Key]]) -> None:
        self._keys = tuple(keys)

    @classmethod
    def from_jwks(cls, document: Mapping[str, Any]) -> JWTKeySet:
        """The signature keys of a JWK set (RFC 7517 §5).

        Keys that cannot be read, are not for signatures, are too weak or symmetric are skipped: one strange key must not take
        the others down, and a published key is never a shared secret.
        """
        listed = document.get("keys")
        candidates = listed[:_MAX_KEYS] if isinstance(listed, list) else []
        return cls(entry for jwk in candidates if (entry := _read_jwk(jwk)) is not None)

    @classmethod
    def from_pem(cls, pem: bytes) -> JWTKeySet:
        """One public key (or certificate, or the public half of a private key) in PEM.

        Raises:
            ConfigurationError: it cannot be read, or is too weak.
        """
        try:
            return cls([(None, _import_native(_load_pem(pem)))])
        except (ValueError, TypeError, UnsupportedAlgorithm) as error:
            raise ConfigurationError(
                "The public key is not a PEM that can be used (RSA from 2048 bits, EC or Ed25519)."
            ) from error

    @classmethod
    def from_secret(cls, secret: bytes) -> JWTKeySet:
        """One shared secret, for the HS* algorithms.

        Raises:
            ConfigurationError: it is empty, or in truth a public key (RFC 8725 §2.1).
        """
        if not secret or b"-----BEGIN" in secret:
            raise ConfigurationError("A shared secret for HS256, HS384 or HS512 must be neither empty nor a PEM key.")
        try:
            return cls([(None, OctKey.import_key(secret))])
        except ValueError as error:
            raise ConfigurationError("The shared secret is in truth an asymmetric key; use its own algorithm.") from error

    @classmethod
    def from_keyring(cls, keyring: KeyRing) -> JWTKeySet:
        """The keys that our own access tokens are signed with."""
        return cls((key.kid, ECKey.import_key(key.private_key.public_key())) for key in keyring.verification_keys)

    def __len__(self) -> int:
        return len(self._keys)

    def knows(self, kid: str) -> bool:
        """Whether a key of that id is in the set."""
        return any(known == kid for known, _ in self._keys)

    def keys_for(self, algorithm: str, kid: object) -> list[Key]:
        """The keys that a token with this header may be signed with. A key without an id stands for any id.

        Raises:
            TokenRejected: no key has the id, or none with the id is made for the algorithm.
        """
        named = [key for known, key in self._keys if kid is None or known is None or known == kid]
        if not named:
            raise TokenRejected(reasons.TOKEN_KEY_UNKNOWN)
        fitting = [key for key in named if _fits(key, algorithm)]
        if not fitting:
            raise TokenRejected(reasons.TOKEN_ALGORITHM, "the algorithm does not fit the key")
        return fitting[:_MAX_KEYS_TRIED]


def decode(
    token: str, keys: JWTKeySet, *, algorithms: Collection[str], max_bytes: int = _MAX_BYTES
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
        _check_size(token, _MAX_BYTES)
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


def check_times(claims: Mapping[str, Any], now: float, leeway: float, *, require_exp: bool = True) -> None:
    """Check ``exp``, ``nbf`` and ``iat`` (RFC 7519 §4.1.4–6).

    Args:
        claims: the token's claims.
        now: seconds since the epoch.
        leeway: seconds by which clocks may differ.
        require_exp: whether a token without an end is refused.

    Raises:
        TokenRejected: expired, not valid yet, or a time that is none.
    """
    expires, not_before, issued = (_read_time(claims, name) for name in ("exp", "nbf", "iat"))
    if expires is None and require_exp:
        raise TokenRejected(reasons.TOKEN_CLAIMS, "exp is missing")
    if expires is not None and expires + leeway <= now:
        raise TokenRejected(reasons.TOKEN_EXPIRED)
    if max(not_before or 0, issued or 0) > now + leeway:
        raise TokenRejected(reasons.TOKEN_NOT_YET_VALID)


def check_issuer(claims: Mapping[str, Any], issuers: str | Collection[str]) -> None:
    """Check that ``iss`` is one of the issuers, character by character (RFC 8725 §3.8).

    Raises:
        TokenRejected: it is not.
    """
    accepted = {issuers} if isinstance(issuers, str) else set(issuers)
    issuer = claims.get("iss")
    if not isinstance(issuer, str) or issuer not in accepted:
        raise TokenRejected(reasons.TOKEN_ISSUER, _difference("iss", issuer, accepted))


def check_audience(claims: Mapping[str, Any], audiences: str | Collection[str]) -> None:
    """Check that ``aud``, a string or a list of strings, names one of the audiences (RFC 7519 §4.1.3, RFC 8725 §3.9).

    Raises:
        TokenRejected: it does not.
    """
    accepted = {audiences} if isinstance(audiences, str) else set(audiences)
    audience = claims.get("aud")
    named = [audience] if isinstance(audience, str) else audience
    if not isinstance(named, list) or not all(isinstance(name, str) for name in named) or accepted.isdisjoint(named):
        raise TokenRejected(reasons.TOKEN_AUDIENCE, _difference("aud", audience, accepted))


def _difference(name: str, value: object, accepted: Collection[str]) -> str:
    """Both sides, for the log: most often one of them is a slip in the configuration."""
    return f"{name} is {repr(value)[:200]}, accepted: {', '.join(sorted(accepted))}"


def check_type(header: Mapping[str, Any], types: Collection[str]) -> None:
    """Check the ``typ`` header (RFC 8725 §3.11): a media type whose ``application/`` may be left out (RFC 7515 §4.1.9).

    Args:
        header: the token's header.
        types: the accepted types, in lower case and without ``application/``; an empty string stands for a missing ``typ``.

    Raises:
        TokenRejected: it is another.
    """
    value = header.get("typ", "")
    if not isinstance(value, str) or value.lower().removeprefix("application/") not in types:
        raise TokenRejected(reasons.TOKEN_TYPE)


def sign_access_token(keyring: KeyRing, claims: Mapping[str, Any]) -> str:
    """Sign an access token (RFC 9068 §2.1: ``typ`` is ``at+jwt``) with ES256 and the ring's current key."""
    key = _signers.get(keyring)
    if key is None:
        key = _signers[keyring] = ECKey.import_key(keyring.signing_key.private_key)
    return _serialise({"typ": "at+jwt", "alg": "ES256", "kid": keyring.signing_key.kid}, claims, key)


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
    key = _private_key(material.encode() if isinstance(material, str) else material)
    if algorithm not in ASYMMETRIC_ALGORITHMS or not _fits(key, algorithm):
        raise ConfigurationError(f"The private key cannot be used with the algorithm {algorithm}.")
    return _serialise({"typ": "JWT", **(headers or {}), "alg": algorithm}, claims, key)


# --- reading ------------------------------------------------------------------------------------------------------------------


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
    if not isinstance(algorithm, str) or algorithm not in allowed or algorithm not in _ALGORITHMS:
        raise TokenRejected(reasons.TOKEN_ALGORITHM)
    return algorithm


def _verify(token: str, keys: list[Key]) -> bytes:
    try:
        signed = jws.extract_compact(token.encode("ascii"), registry=_registry)
        if any(jws.validate_compact(signed, key, registry=_registry) for key in keys):
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


def _read_time(claims: Mapping[str, Any], name: str) -> float | None:
    if name not in claims:
        return None
    value = claims[name]
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= _LAST_DATE:
        raise TokenRejected(reasons.TOKEN_CLAIMS, f"{name} is no time")
    return value


# --- keys ---------------------------------------------------------------------------------------------------------------------

_signers: WeakKeyDictionary[KeyRing, ECKey] = WeakKeyDictionary()


def _fits(key: Key, algorithm: str) -> bool:
    try:
        _registry.get_alg(algorithm).check_key(key)
    except JoseError:
        return False
    return True


def _read_jwk(jwk: object) -> tuple[str | None, Key] | None:
    """Key id and key of a JWK, or None. Only the public members are taken, whatever else the document holds."""
    if not isinstance(jwk, dict) or not _is_for_signatures(jwk):
        return None
    key_type, kid = jwk.get("kty"), jwk.get("kid")
    if not isinstance(key_type, str) or key_type not in _PUBLIC_MEMBERS or not isinstance(kid, str | None):
        return None
    if key_type in _CURVES and jwk.get("crv") not in _CURVES[key_type]:
        return None
    members = {name: jwk[name] for name in ("kty", "alg", *_PUBLIC_MEMBERS[key_type]) if name in jwk}
    return _import_jwk(key_type, kid, members)


def _is_for_signatures(jwk: dict[str, Any]) -> bool:
    operations = jwk.get("key_ops", ["verify"])
    return jwk.get("use", "sig") == "sig" and isinstance(operations, list) and "verify" in operations


def _import_jwk(key_type: str, kid: str | None, members: dict[str, Any]) -> tuple[str | None, Key] | None:
    try:
        # Smaller moduli are sorted out before the import, which would warn of them.
        if key_type == "RSA" and not _is_usual_rsa(members):
            return None
        return kid, _KEY_TYPES[key_type].import_key(members)
    except (JoseError, ValueError, TypeError, KeyError, AttributeError, OverflowError, UnsupportedAlgorithm):
        return None


def _is_usual_rsa(members: dict[str, Any]) -> bool:
    modulus, exponent = (base64url.decode(members[name]) or b"" for name in ("n", "e"))
    return _MINIMUM_RSA_BITS <= len(modulus) * 8 <= _MAXIMUM_RSA_BITS and len(exponent) <= _MAXIMUM_EXPONENT_BYTES


def _load_pem(pem: bytes) -> object:
    if b"CERTIFICATE" in pem:
        return load_pem_x509_certificate(pem).public_key()
    if b"PRIVATE KEY" in pem:
        return load_pem_private_key(pem, password=None).public_key()
    return load_pem_public_key(pem)


def _import_native(key: object) -> Key:
    match key:
        case rsa.RSAPublicKey() | rsa.RSAPrivateKey() if key.key_size >= _MINIMUM_RSA_BITS:
            return RSAKey.import_key(key)
        case ec.EllipticCurvePublicKey() | ec.EllipticCurvePrivateKey() if key.curve.name in {
            "secp256r1",
            "secp384r1",
            "secp521r1",
        }:
            return ECKey.import_key(key)
        case ed25519.Ed25519PublicKey() | ed25519.Ed25519PrivateKey() | ed448.Ed448PublicKey() | ed448.Ed448PrivateKey():
            return OKPKey.import_key(key)
    raise ValueError("not a key for signatures")


@lru_cache(maxsize=16)
def _private_key(material: bytes) -> Key:
    try:
        if material.lstrip().startswith(b"{"):
            return _import_private_jwk(read_json_object(material))
        return _import_native(load_pem_private_key(material, password=None))
    except (JoseError, ValueError, TypeError, KeyError, UnsupportedAlgorithm) as error:
        raise ConfigurationError("The private key is neither a PEM nor a JWK that can be used.") from error


def _import_private_jwk(jwk: dict[str, Any]) -> Key:
    key_type = _KEY_TYPES[jwk["kty"]]
    key = key_type.import_key(jwk)
    if not key.is_private:
        raise ValueError("a public key cannot sign")
    return key


def _serialise(header: dict[str, Any], claims: Mapping[str, Any], key: Key) -> str:
    payload = json.dumps(dict(claims), separators=(",", ":"), ensure_ascii=False).encode("utf-8")
    return jws.serialize_compact(header, payload, key, registry=_registry)
