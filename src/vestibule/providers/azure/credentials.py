"""azure-identity's credentials for On-Behalf-Of, one for each user who is there."""

from __future__ import annotations

import hashlib
import logging
from collections import Counter, OrderedDict
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Final

from vestibule.keys.jwt import peek_claims
from vestibule.providers.azure.authority import Authority, is_tenant_id

if TYPE_CHECKING:
    from azure.identity.aio import OnBehalfOfCredential

__all__ = ["OBOCredentials", "require_azure_identity"]

MAX_CREDENTIALS: Final = 128

_OTHER_CREDENTIALS: Final = ("client_certificate", "client_assertion_func")

_log = logging.getLogger("vestibule.providers")


def require_azure_identity() -> None:
    """Check that the extra is installed.

    Raises:
        ImportError: it is not; the message says how to.
    """
    try:
        import aiohttp  # noqa: F401 - azure-identity's asynchronous credentials need it and do not install it
        import azure.identity.aio  # noqa: F401
    except ImportError as error:
        raise ImportError("On-Behalf-Of needs azure-identity and aiohttp: pip install 'vestibule[azure]'") from error


class OBOCredentials:
    """The least recently used of :data:`MAX_CREDENTIALS` users goes first, and is closed when nobody uses it. Each keeps the tokens it got.

    Args:
        authority: where the user's tokens come from.
        client_id, secret: of this server's app registration.
        options: further arguments of the credential.
    """

    def __init__(self, authority: Authority, client_id: str, secret: str | None, options: Mapping[str, Any]) -> None:
        self._authority = authority
        self._client_id = client_id
        self._secret = secret
        self._options = dict(options)
        self._kept: OrderedDict[str, OnBehalfOfCredential] = OrderedDict()
        self._used: Counter[OnBehalfOfCredential] = Counter()

    async def get(self, assertion: str) -> OnBehalfOfCredential:
        """The credential of the user whose token `assertion` is; raises as :meth:`AzureProvider.get_obo_credential`."""
        self._check_possible()
        key = hashlib.sha256(assertion.encode()).hexdigest()
        while key not in self._kept and len(self._kept) >= MAX_CREDENTIALS:
            await self._close_unused(self._kept.popitem(last=False)[1])
        if key not in self._kept:
            self._kept[key] = self._create(assertion)
        self._kept.move_to_end(key)
        return self._kept[key]  # nothing is awaited before whoever asked has it, so nobody closes it on the way

    @asynccontextmanager
    async def use(self, credential: OnBehalfOfCredential) -> AsyncIterator[None]:
        """Keep a credential open meanwhile, whoever else comes."""
        self._used[credential] += 1
        try:
            yield
        finally:
            self._used[credential] -= 1
            if not self._used[credential]:
                del self._used[credential]
            if credential not in self._kept.values():
                await self._close_unused(credential)

    async def close(self) -> None:
        """Close all of them, whatever any says to it."""
        while self._kept:
            await _close(self._kept.popitem(last=False)[1])

    async def _close_unused(self, credential: OnBehalfOfCredential) -> None:
        if credential not in self._used:
            await _close(credential)

    def _check_possible(self) -> None:
        if self._authority.is_b2c:
            raise NotImplementedError("Azure AD B2C has no On-Behalf-Of exchange; Entra ID has.")
        require_azure_identity()
        if not self._secret and not any(name in self._options for name in _OTHER_CREDENTIALS):
            raise ValueError("On-Behalf-Of needs client_secret, or client_certificate or client_assertion_func in obo_options.")

    def _create(self, assertion: str) -> OnBehalfOfCredential:
        from azure.identity.aio import OnBehalfOfCredential

        secret = {} if any(name in self._options for name in _OTHER_CREDENTIALS) else {"client_secret": self._secret}
        arguments: dict[str, Any] = {
            "tenant_id": self._tenant_of(assertion),
            "client_id": self._client_id,
            "user_assertion": assertion,
            "authority": f"https://{self._authority.host}",
            **secret,
            **self._options,
        }
        return OnBehalfOfCredential(**arguments)

    def _tenant_of(self, assertion: str) -> str:
        """At a shared endpoint the exchange must go to the user's own tenant. Only Entra believes the assertion, after checking it."""
        tenant = (peek_claims(assertion) or {}).get("tid")
        return str(tenant) if self._authority.is_shared and is_tenant_id(tenant) else self._authority.tenant


async def _close(credential: OnBehalfOfCredential) -> None:
    try:
        await credential.close()
    except Exception as error:
        _log.warning("a credential did not close: %s", type(error).__name__)
