"""Assertions for the authenticator on the desk."""

from uuid import uuid4

from tests.signing import JWT_BEARER, ec_signer
from tests.unit.clients.desk import ISSUER
from tests.unit.clients.fakes import APP

JWKS_URI = "https://app.example/jwks.json"


SIGNER = ec_signer()


def claims(desk, **changes):
    now = int(desk.clock.now())
    made = {"iss": APP, "sub": APP, "aud": ISSUER, "iat": now, "exp": now + 300, "jti": uuid4().hex, **changes}
    return {name: value for name, value in made.items() if value is not None}


def form(assertion, **others):
    return {"client_assertion": assertion, "client_assertion_type": JWT_BEARER, **others}
