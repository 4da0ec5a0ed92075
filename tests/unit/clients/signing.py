"""Clients' keys, and assertions signed with them."""

from uuid import uuid4

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from joserfc.jwk import ECKey
from tests.unit.clients.desk import ISSUER
from tests.unit.clients.fakes import APP

from vestibule.keys.jwt import sign

TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
JWKS_URI = "https://app.example/jwks.json"


class Signer:
    """A client's key, and assertions signed with it."""

    def __init__(self, key, importer, algorithm, kid="k1"):
        self.pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        self.algorithm, self.kid = algorithm, kid
        self.jwk = {**importer.import_key(key.public_key()).as_dict(private=False), "kid": kid, "use": "sig"}

    @property
    def jwks(self):
        return {"keys": [self.jwk]}

    def sign(self, claims, **headers):
        return sign(claims, self.pem, self.algorithm, {"kid": self.kid, **headers})


def ec_signer(kid="k1"):
    return Signer(ec.generate_private_key(ec.SECP256R1()), ECKey, "ES256", kid)


SIGNER = ec_signer()


def claims(desk, **changes):
    now = int(desk.clock.now())
    made = {"iss": APP, "sub": APP, "aud": ISSUER, "iat": now, "exp": now + 300, "jti": uuid4().hex, **changes}
    return {name: value for name, value in made.items() if value is not None}


def form(assertion, **others):
    return {"client_assertion": assertion, "client_assertion_type": TYPE, **others}
