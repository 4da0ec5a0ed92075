"""What switches a check off. Whoever needs one imports its name from here, so that an audit is a text search::

from vestibule.unsafe import any_audience

JWTVerifier(jwks_uri=..., issuer=..., audience=any_audience)
"""

from __future__ import annotations

from typing import Final, final

__all__ = ["Unchecked", "any_audience", "any_issuer"]


@final
class Unchecked:
    """Stands where an expected value would, and means that the check is left out."""

    __slots__ = ("_name",)

    def __init__(self, name: str) -> None:
        self._name = name

    def __repr__(self) -> str:
        return f"vestibule.unsafe.{self._name}"


any_audience: Final = Unchecked("any_audience")
"""Accept tokens that were issued for any other service (against RFC 9068 §4, RFC 8725 §3.9)."""

any_issuer: Final = Unchecked("any_issuer")
"""Accept tokens of any issuer whose key is in the key set (against RFC 9068 §4, RFC 8725 §3.8)."""
