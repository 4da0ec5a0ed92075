"""Keys that tokens are signed and checked with, imported once and ready (RFC 7517)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
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
    from vestibule.keys.ring_key import SigningKey

__all__ = [
    "ALGORITHMS",
    "ASYMMETRIC_ALGORITHMS",
    "MAX_TOKEN_BYTES",
    "REGISTRY",
    "SYMMETRIC_ALGORITHMS",
    "JWTKeySet",
    "fits",
    "load_private_key",
]

SYMMETRIC_ALGORITHMS: Final = frozenset({"HS256", "HS384", "HS512"})
ASYMMETRIC_ALGORITHMS: Final = frozenset(
    {"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA", "Ed25519", "Ed448"}
)
ALGORITHMS: Final = SYMMETRIC_ALGORITHMS | ASYMMETRIC_ALGORITHMS
_CURVES: Final = {"EC": ("P-256", "P-384", "P-521"), "OKP": ("Ed25519", "Ed448")}
_PUBLIC_MEMBERS: Final = {"RSA": ("n", "e"), "EC": ("crv", "x", "y"), "OKP": ("crv", "x")}
_KEY_TYPES: Final[dict[str, type[RSAKey | ECKey | OKPKey]]] = {"RSA": RSAKey, "EC": ECKey, "OKP": OKPKey}

MAX_TOKEN_BYTES = 16 * 1024
_MAX_KEYS = 100
_MAX_KEYS_TRIED = 10
_MINIMUM_RSA_BITS = 2048  # RFC 7518 §3.3
_MAXIMUM_RSA_BITS = 8192
_MAXIMUM_EXPONENT_BYTES = 4
"""Keys in use have 65537. A check costs as much as the exponent is long, and anybody may publish a key for us to check with."""


class _Registry(jws.JWSRegistry):
    """The library's rules with our list of algorithms, and room for an ``x5c`` header and an RSA-8192 signature."""

    max_header_length = MAX_TOKEN_BYTES
    max_signature_length = 4096

    def get_alg(self, name: str) -> JWSAlgModel:
        if name not in ALGORITHMS:
            raise UnsupportedAlgorithmError("the algorithm is not supported")
        return self.algorithms[name]


REGISTRY: Final = _Registry(strict_check_header=False)


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
        """The keys that our own access tokens are signed with, at this moment: made anew each time, so that none outlives its ring."""
        return cls((key.kid, _verifier(key)) for key in keyring.verification_keys)

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
        fitting = [key for key in named if fits(key, algorithm)]
        if not fitting:
            raise TokenRejected(reasons.TOKEN_ALGORITHM, "the algorithm does not fit the key")
        return fitting[:_MAX_KEYS_TRIED]


_verifiers: WeakKeyDictionary[SigningKey, ECKey] = WeakKeyDictionary()


def _verifier(signing_key: SigningKey) -> ECKey:
    key = _verifiers.get(signing_key)
    if key is None:
        key = _verifiers[signing_key] = ECKey.import_key(signing_key.private_key.public_key())
    return key


def fits(key: Key, algorithm: str) -> bool:
    try:
        REGISTRY.get_alg(algorithm).check_key(key)
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
def load_private_key(material: bytes) -> Key:
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
