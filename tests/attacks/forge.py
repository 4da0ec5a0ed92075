"""Tokens made by hand, without a JOSE library: what no library would sign has to be tried, too."""

import base64
import hashlib
import hmac
import json

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

RSA = rsa.generate_private_key(public_exponent=65537, key_size=2048)
EC = ec.generate_private_key(ec.SECP256R1())
OKP = ed25519.Ed25519PrivateKey.generate()
OTHER_RSA = rsa.generate_private_key(public_exponent=65537, key_size=2048)
OTHER_EC = ec.generate_private_key(ec.SECP256R1())


def b64(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def number(value):
    return b64(value.to_bytes((value.bit_length() + 7) // 8, "big"))


def pem(key):
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def jwk(key, **members):
    public = key.public_key()
    if isinstance(key, rsa.RSAPrivateKey):
        numbers = public.public_numbers()
        return {"kty": "RSA", "n": number(numbers.n), "e": number(numbers.e)} | members
    if isinstance(key, ec.EllipticCurvePrivateKey):
        numbers = public.public_numbers()
        x, y = (b64(value.to_bytes(32, "big")) for value in (numbers.x, numbers.y))
        return {"kty": "EC", "crv": "P-256", "x": x, "y": y} | members
    return {"kty": "OKP", "crv": "Ed25519", "x": b64(public.public_bytes(Encoding.Raw, PublicFormat.Raw))} | members


def spellings(key, **members):
    """Each way in which a public key is written down: what an attacker would try as a shared secret."""
    public = key.public_key()
    info, document = PublicFormat.SubjectPublicKeyInfo, jwk(key, **members)
    found = [
        public.public_bytes(Encoding.PEM, info),
        public.public_bytes(Encoding.PEM, info).strip(),
        public.public_bytes(Encoding.PEM, info).replace(b"\n", b"\r\n"),
        public.public_bytes(Encoding.DER, info),
        base64.b64encode(public.public_bytes(Encoding.DER, info)),
        json.dumps(document).encode(),
        json.dumps(document, separators=(",", ":")).encode(),
        json.dumps(document, sort_keys=True, separators=(",", ":")).encode(),
        b"",
    ]
    if isinstance(key, rsa.RSAPrivateKey):
        found += [public.public_bytes(encoding, PublicFormat.PKCS1) for encoding in (Encoding.PEM, Encoding.DER)]
        found += [document["n"].encode(), base64.urlsafe_b64decode(document["n"] + "==")]
    else:
        found += [document["x"].encode(), base64.urlsafe_b64decode(document["x"] + "==")]
    return found


def signature(key, algorithm, message):
    """The signature of `message`; a bytes key makes an HMAC."""
    if isinstance(key, bytes):
        return hmac.new(key, message, getattr(hashlib, f"sha{algorithm[2:]}")).digest()
    if isinstance(key, rsa.RSAPrivateKey):
        digest = {"256": hashes.SHA256(), "384": hashes.SHA384(), "512": hashes.SHA512()}[algorithm[2:]]
        if algorithm.startswith("PS"):
            return key.sign(message, padding.PSS(padding.MGF1(digest), digest.digest_size), digest)
        return key.sign(message, padding.PKCS1v15(), digest)
    if isinstance(key, ec.EllipticCurvePrivateKey):
        return b"".join(
            value.to_bytes(32, "big") for value in decode_dss_signature(key.sign(message, ec.ECDSA(hashes.SHA256())))
        )
    return key.sign(message)


def forge(header, claims, key=RSA, sign_as=None):
    """A token of these parts: objects become JSON, bytes and texts stay as they are."""
    parts = (
        part.encode() if isinstance(part, str) else part if isinstance(part, bytes) else json.dumps(part).encode()
        for part in (header, claims)
    )
    signed = ".".join(b64(part) for part in parts)
    algorithm = sign_as or (header["alg"] if isinstance(header, dict) else "RS256")
    return f"{signed}.{b64(signature(key, algorithm, signed.encode()))}"
