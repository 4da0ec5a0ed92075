"""Access tokens: signed JWTs (RFC 9068) that hang from a grant."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from vestibule import reasons
from vestibule.clock import Clock
from vestibule.errors import TokenRejected
from vestibule.grants.data_key import DataKey
from vestibule.grants.model import Grant
from vestibule.keys.jwt import JWTKeySet, check_issuer, check_times, check_type, decode, sign_access_token
from vestibule.keys.keyring import KeyRing
from vestibule.keys.sealing import Sealer
from vestibule.protocol.scopes import format_scope

__all__ = ["AccessClaims", "AccessTokens"]

_GRANT_CLAIM = "gid"
"""Private claim: the grant. No secret; everything that it opens needs a signature or a tag of ours beside it."""

_DATA_KEY_CLAIM = "vdk"
"""Private claim: the data key of a grant whose tokens are locked, sealed. See :class:`~vestibule.grants.data_key.DataKey`."""

_CLOCKS_DIFFER = 30
"""Seconds by which a token may come from the future: another machine of ours made it, or our clock was set back since."""


@dataclass(frozen=True, slots=True)
class AccessClaims:
    """The checked content of one of our access tokens."""

    grant_id: str
    client_id: str
    subject: str
    scopes: tuple[str, ...]
    audience: str
    expires_at: int
    jti: str
    kid: str
    data_key: DataKey | None = None


class AccessTokens:
    """Mints and reads the access tokens of one issuer.

    Args:
        keyring: signs and verifies.
        sealer: seals what the client carries and must not read; of the same key ring.
        issuer: the ``iss``.
        resources: gives the audiences that are accepted; a host may tell its path late.
        life: seconds.
        clock: the time.

    Attributes:
        life: the same.
    """

    def __init__(
        self,
        keyring: KeyRing,
        sealer: Sealer,
        *,
        issuer: str,
        resources: Callable[[], Collection[str]],
        life: float,
        clock: Clock,
    ) -> None:
        self._keyring = keyring
        self._sealer = sealer
        self._issuer = issuer
        self._resources = resources
        self.life = life
        self._clock = clock

    def mint(self, grant: Grant, scopes: Sequence[str]) -> tuple[str, int]:
        """A token for `grant` with `scopes`, and the seconds it lives.

        It ends with the grant at the latest, and with the provider's access token where that cannot be renewed.
        """
        now = self._clock.now()
        expires_at = int(min(grant.lives_until(now, self.life), grant.expires_at))
        claims = {
            "iss": self._issuer,
            "sub": grant.subject,
            "aud": grant.resource,
            "client_id": grant.client_id,
            "scope": format_scope(scopes),
            "iat": int(now),
            "exp": expires_at,
            "jti": secrets.token_urlsafe(16),
            _GRANT_CLAIM: grant.id,
        }
        if grant.data_key is not None:
            claims[_DATA_KEY_CLAIM] = self._sealer.seal("data key", grant.data_key.value, bound_to=grant.id.encode())
        return sign_access_token(self._keyring, claims), max(expires_at - int(now), 0)

    def read(self, token: str) -> AccessClaims:
        """Check everything about a presented token that can be checked without the store (RFC 9068 §4).

        Raises:
            TokenRejected: with the exact reason.
        """
        header, claims = self._decode(token)
        check_type(header, ("at+jwt", "application/at+jwt"))
        check_issuer(claims, self._issuer)
        now = self._clock.now()
        check_times({"exp": claims.get("exp")}, now, 0)
        check_times({name: claims[name] for name in ("iat", "nbf") if name in claims}, now, _CLOCKS_DIFFER, require_exp=False)
        grant_id = _text(claims, _GRANT_CLAIM)
        return AccessClaims(
            grant_id=grant_id,
            client_id=_text(claims, "client_id"),
            subject=_text(claims, "sub"),
            scopes=tuple(_text(claims, "scope", empty=True).split()),
            audience=self._audience(claims),
            expires_at=int(claims["exp"]),
            jti=_text(claims, "jti"),
            kid=_text(header, "kid"),
            data_key=self._data_key(claims, grant_id) if _DATA_KEY_CLAIM in claims else None,
        )

    def accepted_kids(self) -> frozenset[str]:
        """The keys whose tokens :meth:`read` accepts right now."""
        return frozenset(key.kid for key in self._keyring.verification_keys)

    def on_retired(self, listener: Callable[[], object]) -> None:
        """Call `listener` when a key was retired, before any other token is read."""
        self._keyring.on_retired(listener)

    def _data_key(self, claims: Mapping[str, Any], grant_id: str) -> DataKey:
        value = self._sealer.open("data key", _text(claims, _DATA_KEY_CLAIM), bound_to=grant_id.encode())
        if value is None:
            raise TokenRejected(reasons.TOKEN_CLAIMS, _DATA_KEY_CLAIM)
        return DataKey(grant_id, value)

    def _decode(self, token: str) -> tuple[dict[str, Any], dict[str, Any]]:
        try:
            return decode(token, JWTKeySet.from_keyring(self._keyring), algorithms=("ES256",))
        except TokenRejected as rejected:
            if rejected.reason is not reasons.TOKEN_KEY_UNKNOWN or not self._keyring.has_news():
                raise
        return decode(token, JWTKeySet.from_keyring(self._keyring), algorithms=("ES256",))

    def _audience(self, claims: Mapping[str, Any]) -> str:
        audience = claims.get("aud")
        if not isinstance(audience, str) or audience not in self._resources():
            raise TokenRejected(reasons.TOKEN_AUDIENCE, f"aud is none of {sorted(self._resources())}")
        return audience


def _text(claims: Mapping[str, Any], name: str, *, empty: bool = False) -> str:
    value = claims.get(name)
    if not isinstance(value, str) or not (value or empty):
        raise TokenRejected(reasons.TOKEN_CLAIMS, name)
    return value
