"""An authenticator with everything behind it, and clients' credentials."""

from base64 import b64encode
from urllib.parse import quote_plus, urlencode

import pytest
from tests.unit.clients.fakes import CALLBACK, Web

from vestibule.clients.assertions import ClientKeys
from vestibule.clients.authentication import ClientAuthenticator
from vestibule.clients.configured import ConfiguredClients
from vestibule.clients.directory import ClientDirectory
from vestibule.clients.documents import ClientDocuments
from vestibule.clients.dynamic import DynamicClients
from vestibule.errors import OAuthError
from vestibule.keys.keyring import KeyRing
from vestibule.keys.sealing import Sealer
from vestibule.protocol.client_metadata import ClientMetadata
from vestibule.protocol.parameters import parse_parameters
from vestibule.testing import FakeClock

ISSUER = "https://mcp.example"
TOKEN_ENDPOINT = "https://mcp.example/token"
SECRET = "correct horse battery"


class Desk:
    """An authenticator with everything behind it."""

    def __init__(self, *configured, documents=True, allowed=None):
        self.clock, self.web, self.spent = FakeClock(), Web(), {}
        self.keyring = KeyRing.from_secrets(b"k" * 32)
        self.dynamic = DynamicClients(self.keyring, Sealer(self.keyring))
        self.directory = ClientDirectory(
            self.dynamic,
            ClientDocuments(self.web, self.clock, allowed=allowed) if documents else None,
            ConfiguredClients(configured),
            allowed=allowed,
        )
        self.authenticator = ClientAuthenticator(
            self.directory,
            issuer=ISSUER,
            token_endpoint=TOKEN_ENDPOINT,
            spend=self.spend,
            keys=ClientKeys(self.web, self.clock),
            clock=self.clock,
        )

    async def spend(self, kind, name, ttl):
        if (kind, name) in self.spent:
            return False
        self.spent[kind, name] = ttl
        return True

    def register(self, method="none", *, defaulted=False, **members):
        metadata = ClientMetadata(redirect_uris=(CALLBACK,), token_endpoint_auth_method=method, **members)
        return self.dynamic.register(metadata, method_defaulted=defaulted)

    async def authenticate(self, *headers, **form):
        return await self.authenticator.authenticate(parse_parameters(urlencode(form).encode()), headers)

    async def refused(self, *headers, **form):
        with pytest.raises(OAuthError) as caught:
            await self.authenticate(*headers, **form)
        return caught.value


def basic(client_id, secret, *, encode=True):
    pair = f"{quote_plus(client_id)}:{quote_plus(secret)}" if encode else f"{client_id}:{secret}"
    return b"Basic " + b64encode(pair.encode())
