"""The key ring: every key of this server, derived from the operator's secrets, one per purpose.

The current key signs and seals; all of them verify and open, except that a retired one serves registrations only. Nobody keeps a key
of the ring for longer than it takes to use it: what a ring holds changes while the server runs, see :mod:`~vestibule.keys.key_file`.
"""

from __future__ import annotations

import hashlib
import hmac
import logging
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

from vestibule.clock import Clock, SystemClock
from vestibule.errors import ConfigurationError
from vestibule.keys.ring_key import RingKey, SigningKey
from vestibule.protocol.uris import parse_uri

__all__ = ["LOOK_SECONDS", "KeyRing", "KeySource", "check_secret_strength", "in_order"]

_log = logging.getLogger("vestibule.keys")

LOOK_SECONDS: Final = 5
"""How often a ring asks its source, if nothing makes it ask earlier. A new key has to be known for longer before it is used."""

_MINIMUM_TAG = 16
_STRONG_BYTES = 32
_PLACEHOLDERS = ("changeme", "changethis", "replaceme", "replacethis", "placeholder", "yoursecret", "yoursigningkey", "yourjwt")


class KeySource(Protocol):
    """Where the keys of a ring come from.

    Attributes:
        trouble: why the source cannot be read right now; empty if it can.
    """

    trouble: str

    def keys(self) -> tuple[RingKey, ...]:
        """The keys as they are now. Raises nothing: while the source cannot be read, they are what they were."""
        ...


@dataclass(slots=True)
class _FixedKeys:
    listed: tuple[RingKey, ...]
    trouble: str = ""

    def keys(self) -> tuple[RingKey, ...]:
        return self.listed


class KeyRing:
    """The keys that are in force, for every purpose.

    Args:
        source: asked at most every :data:`LOOK_SECONDS`, when a key is used; an attribute too.
        clock: the time.
    """

    def __init__(self, source: KeySource, clock: Clock | None = None) -> None:
        self.source = source
        self._now = (clock or SystemClock()).now
        self._listeners: list[Callable[[], object]] = []
        self._keys: tuple[RingKey, ...] = ()
        self._looked_at = self._look_again_at = 0.0
        self._look(self._now())

    @classmethod
    def from_secrets(cls, secrets: str | bytes | Sequence[str | bytes]) -> KeyRing:
        """A ring of one secret or several, the current one first.

        Raises:
            ConfigurationError: there is none, or one is empty, or the name of a file.
        """
        listed = [secrets] if isinstance(secrets, str | bytes) else list(secrets)
        if not all(isinstance(secret, str | bytes) for secret in listed):
            raise ConfigurationError("jwt_signing_key as a list holds secrets; a file is named alone.")
        if not listed or not all(listed):
            raise ConfigurationError("jwt_signing_key must hold at least one secret, and none of them may be empty.")
        distinct = dict.fromkeys(secret.encode() if isinstance(secret, str) else secret for secret in listed)
        for secret in distinct:
            _check_is_no_file(secret, "jwt_signing_key")
        return cls.of([RingKey(secret) for secret in distinct])

    @classmethod
    def of(cls, keys: Sequence[RingKey], clock: Clock | None = None) -> KeyRing:
        """A ring of these keys, whatever becomes of the file that they were read from."""
        return cls(_FixedKeys(tuple(keys)), clock)

    def __len__(self) -> int:
        return len(self.keys)

    def __repr__(self) -> str:
        return f"<KeyRing of {len(self)}>"

    def on_retired(self, listener: Callable[[], object]) -> None:
        """Call `listener` when keys have left the ring, before anything else is done with it."""
        self._listeners.append(listener)

    @property
    def trouble(self) -> str:
        """Why the keys cannot be read anew, so that those in force are older ones; empty if they can."""
        _ = self.keys  # looks, if it is time
        return self.source.trouble

    @property
    def keys(self) -> tuple[RingKey, ...]:
        """The keys, the current one first."""
        now = self._now()
        if not self._looked_at <= now < self._look_again_at:  # also when the clock was set back
            self._look(now)
        return self._keys

    @property
    def current(self) -> RingKey:
        """The key that signs and seals."""
        return self.keys[0]

    def serving(self, purpose: str) -> tuple[RingKey, ...]:
        """The keys whose work for a purpose counts, the current one first."""
        return tuple(key for key in self.keys if key.serves(purpose))

    def derive(self, purpose: str) -> bytes:
        """The current key of a purpose, 32 bytes."""
        return self.current.derive(purpose)

    def keys_for(self, purpose: str) -> tuple[bytes, ...]:
        """Every key of a purpose that counts, the current one first."""
        return tuple(key.derive(purpose) for key in self.serving(purpose))

    def mac(self, purpose: str, data: bytes) -> bytes:
        """HMAC-SHA256 of `data`, 32 bytes, with the current key of the purpose."""
        return self.current.mac(purpose, data)

    def mac_fits(self, purpose: str, data: bytes, tag: bytes) -> bool:
        """Whether any key of the ring made this tag. A tag may be cut to its first 16 bytes or more (RFC 2104 §5)."""
        return self.maker_of(purpose, data, tag) is not None

    def maker_of(self, purpose: str, data: bytes, tag: bytes) -> RingKey | None:
        """The key of the ring that made this tag, see :meth:`mac_fits`; None if none did."""
        if not _MINIMUM_TAG <= len(tag) <= hashlib.sha256().digest_size:
            return None
        maker = self._maker_of(purpose, data, tag)
        return self._maker_of(purpose, data, tag) if maker is None and self.has_news() else maker

    def has_news(self) -> bool:
        """Look at once, and tell whether the ring has changed: for whoever met something that none of its keys made.

        It may be the work of a process that has read a newer key file. For garbage it costs no more than a look at the file's state.
        """
        before = self._keys
        self._look(self._now())
        return self._keys != before

    @property
    def signing_key(self) -> SigningKey:
        """The key that signs access tokens."""
        return self.current.signing_key

    @property
    def verification_keys(self) -> tuple[SigningKey, ...]:
        """Every key whose signatures count, the current one first."""
        return tuple(key.signing_key for key in self.serving("signing"))

    def jwks(self) -> dict[str, Any]:
        """The public key set (RFC 7517 §5): no private member, each key with ``use``, ``alg`` and ``kid``."""
        return {"keys": [key.public_jwk() for key in self.verification_keys]}

    def _maker_of(self, purpose: str, data: bytes, tag: bytes) -> RingKey | None:
        for key in self.keys:
            if key.serves(purpose) and hmac.compare_digest(tag, key.mac(purpose, data)[: len(tag)]):
                return key
        return None

    def _look(self, now: float) -> None:
        known = self.source.keys()
        left = _standings(self._keys) - _standings(known)
        self._keys = in_order(known, now)
        self._looked_at = now
        self._look_again_at = min([now + LOOK_SECONDS, *(key.active_from for key in known if key.active_from > now)])
        if left:
            for listener in self._listeners:
                listener()


def in_order(keys: Sequence[RingKey], now: float) -> tuple[RingKey, ...]:
    """The keys with the current one first: of those that are active, the one that became so last.

    Where none is active yet (the first key of a server whose clock is slow), it is the one that will be first. Keys that became active
    together stay as they stand, as those of a list do.
    """
    return tuple(sorted(keys, key=lambda key: _rank(key, now)))


def _rank(key: RingKey, now: float) -> tuple[int, float]:
    if key.only_registrations:
        return 2, 0
    return (0, -key.active_from) if key.active_from <= now else (1, key.active_from)


def _standings(keys: Sequence[RingKey]) -> set[tuple[bytes, bool]]:
    return {(key.key_id, key.only_registrations) for key in keys}


def check_secret_strength(secret: str | bytes, public_url: str, name: str = "jwt_signing_key") -> None:
    """Refuse or warn of a secret that can be guessed.

    On a loopback URL a weak secret is only warned of, so that a first try is easy.

    Args:
        name: of the option that it is.

    Raises:
        ConfigurationError: it is empty, or the name of a file; or, on a public URL, under 32 bytes or a well-known placeholder.
    """
    data = secret.encode() if isinstance(secret, str) else secret
    if not data:
        raise ConfigurationError(f"{name} is empty; leave it out, or set 32 random bytes.")
    _check_is_no_file(data, name)
    weakness = _weakness(data)
    if not weakness:
        return
    uri = parse_uri(public_url)
    if uri is None or not uri.is_loopback:
        raise ConfigurationError(f"{name} {weakness}; use 32 random bytes, e.g. from: openssl rand -base64 32")
    _log.warning("%s %s; that is accepted on a loopback URL only", name, weakness)


def _check_is_no_file(secret: bytes, name: str) -> None:
    """A path that is taken for a secret, for a quote or a blank around it or because it stands in a list, is one that anybody can guess."""
    text = secret.decode("utf-8", "replace").strip(" \t\r\n\"'")
    if text.lower().startswith("file:") or (os.path.isabs(text) and os.path.exists(text)):
        raise ConfigurationError(
            f"{name} is the name of a file, where a secret is expected. A key file is named alone, as text without blanks or quotes "
            "around it: jwt_signing_key = file:///path/to/keys"
        )


def _weakness(secret: bytes) -> str:
    letters = bytes(byte for byte in secret.lower() if chr(byte).isalnum()).decode("latin-1")
    if len(secret) < _STRONG_BYTES:
        return f"has only {len(secret)} bytes where {_STRONG_BYTES} are needed"
    if len(set(secret)) < 8 or any(placeholder in letters for placeholder in _PLACEHOLDERS):
        return "is a placeholder that anyone can guess"
    return ""
