"""Several sources of tokens at one endpoint: people through a bridge, machines with tokens of their own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from starlette.routing import BaseRoute, Route

from vestibule import reasons
from vestibule.errors import ConfigurationError, TokenRejected, Unavailable
from vestibule.keys.jwt import peek_header
from vestibule.protocol.scopes import ScopeHierarchy
from vestibule.resource.protection import Protection
from vestibule.tokens import AccessToken
from vestibule.verifiers.base import AuthProvider, TokenVerifier, rejection, rejection_detail

if TYPE_CHECKING:
    from pydantic import AnyHttpUrl

__all__ = ["MultiAuth"]

_SERVER = "server"


class MultiAuth(AuthProvider):
    """Accepts the tokens of one authorization server and of any number of verifiers.

    A token is judged by the source that it is of, told by its issuer and form before anything is asked. Only where none of them recognises
    it are those asked that cannot tell, such as an introspection endpoint. Tokens keep their own ``client_id``; ``claims["auth_source"]`` is the
    name of the source: ``server``, or the verifier's.

    Args:
        server: has the routes and the metadata that people's clients need; None for machines only.
        verifiers: one, several, or several by name. Without names they are ``verifier1``, ``verifier2``, ….
        base_url: public URL of this server; that of `server` unless there is none.
        resource_base_url: base of the resource URL, if another.
        required_scopes: scopes that every request needs, whatever its source. None: each source's own.

    Raises:
        ConfigurationError: nothing is given, a name is used twice, a URL contradicts the server's, or a verifier cannot tell which
            application a token is for.
    """

    def __init__(
        self,
        server: AuthProvider | None = None,
        verifiers: Mapping[str, TokenVerifier] | Sequence[TokenVerifier] | TokenVerifier | None = None,
        base_url: str | AnyHttpUrl | None = None,
        resource_base_url: str | AnyHttpUrl | None = None,
        required_scopes: Sequence[str] | None = None,
    ) -> None:
        self.server = server
        self._sources = _sources(server, verifiers)
        _check_urls(server, base_url, resource_base_url)
        super().__init__(
            base_url=server.base_url if server is not None else base_url,
            required_scopes=required_scopes,
            resource_base_url=server.resource_base_url if server is not None else resource_base_url,
        )
        self._own_scopes = required_scopes is None
        if server is not None:
            self.allowed_origins, self.allowed_hosts = server.allowed_origins, server.allowed_hosts
            self.tool_scopes, self.scope_hierarchy = server.tool_scopes, server.scope_hierarchy

    # --- who judges a token ---------------------------------------------------------------------------------------------------

    def recognises(self, token: str) -> bool | None:
        """What its sources say together."""
        said = [source.recognises(token) for source in self._sources.values()]
        return True if True in said else None if None in said else False

    async def check_token(self, token: str) -> AccessToken:
        """Who presents this token.

        Raises:
            TokenRejected: with the reason of the source that it is of.
            Unavailable: a source that could accept it cannot tell right now.
        """
        names = self._judges(token)
        refusal = TokenRejected(reasons.TOKEN_ISSUER if peek_header(token) else reasons.TOKEN_NOT_ACCEPTED)
        unavailable: Unavailable | None = None
        for name in names:
            try:
                return await self._judged(name, token)
            except Unavailable as error:
                unavailable = error
            except TokenRejected as error:
                if error.reason is reasons.SCOPE_MISSING:  # the token is good: nobody else would know better
                    raise
                refusal = error
        raise unavailable or refusal

    def _judges(self, token: str) -> list[str]:
        """The sources that know the token as theirs; otherwise those that cannot tell."""
        said = {name: source.recognises(token) for name, source in self._sources.items()}
        certain = [name for name, answer in said.items() if answer is True]
        return certain or [name for name, answer in said.items() if answer is None]

    async def _judged(self, name: str, token: str) -> AccessToken:
        source = self._sources[name]
        rejection.set(None)
        rejection_detail.set("")
        caller = await source.verify_token(token)
        if caller is None:
            raise TokenRejected(rejection.get() or reasons.TOKEN_NOT_ACCEPTED, rejection_detail.get())
        if self._own_scopes:
            missing = ScopeHierarchy(source.scope_hierarchy).missing(source.required_scopes, caller.scopes)
            if missing:
                raise TokenRejected(reasons.SCOPE_MISSING, f"lacks {' '.join(missing)}")
        return replace(caller, claims={**caller.claims, "auth_source": name})

    # --- what a host asks for -------------------------------------------------------------------------------------------------

    @property
    def scopes_supported(self) -> list[str]:
        return self.server.scopes_supported if self.server is not None else self.required_scopes

    def get_challenge_scopes(self, required_scopes: list[str] | None = None) -> list[str]:
        """As the server says: whoever has to be told is a person's client."""
        if self.server is None:
            return super().get_challenge_scopes(required_scopes)
        own = None if self._own_scopes else self.required_scopes
        return self.server.get_challenge_scopes(own if required_scopes is None else required_scopes)

    def set_mcp_path(self, mcp_path: str | None) -> None:
        super().set_mcp_path(mcp_path)
        for source in self._sources.values():
            source.set_mcp_path(mcp_path)

    def get_routes(self, mcp_path: str | None = None) -> Sequence[BaseRoute]:
        """Those of the server."""
        if mcp_path is not None:
            self.set_mcp_path(mcp_path)
        return self.server.get_routes(mcp_path) if self.server is not None else []

    def get_well_known_routes(self, mcp_path: str | None = None) -> list[Route]:
        """Those of the server."""
        return self.server.get_well_known_routes(mcp_path) if self.server is not None else []

    def _protection(self, path: str) -> Protection:
        """The audience is a matter of the source: only the server's tokens carry our resource."""
        audience = self.server._audience(path) if self.server is not None else None
        protection = super()._protection(path)
        return replace(protection, verify=partial(self._verify_at, audience), provider=self.server or self)

    async def _verify_at(self, audience: str | None, token: str) -> AccessToken | None:
        caller = await self.verify_token(token)
        if caller is None or audience is None or caller.claims["auth_source"] != _SERVER or caller.resource == audience:
            return caller
        rejection.set(reasons.TOKEN_AUDIENCE)
        return None


def _sources(
    server: AuthProvider | None, verifiers: Mapping[str, TokenVerifier] | Sequence[TokenVerifier] | TokenVerifier | None
) -> dict[str, AuthProvider]:
    named = _named(verifiers)
    if server is None and not named:
        raise ConfigurationError("MultiAuth needs a server or a verifier.")
    if server is not None and _SERVER in named:
        raise ConfigurationError(f"{_SERVER!r} is the name of the server: give the verifier another.")
    for name, verifier in named.items():
        _check_verifier(name, verifier)
    return {_SERVER: server, **named} if server is not None else dict(named)


def _named(
    verifiers: Mapping[str, TokenVerifier] | Sequence[TokenVerifier] | TokenVerifier | None,
) -> Mapping[str, TokenVerifier]:
    if isinstance(verifiers, Mapping):
        return verifiers
    listed = [verifiers] if isinstance(verifiers, AuthProvider) else list(verifiers or ())
    return {f"verifier{number}": verifier for number, verifier in enumerate(listed, 1)}


def _check_verifier(name: str, verifier: TokenVerifier) -> None:
    """Machines come with tokens that they got elsewhere: each must be for us."""
    if not isinstance(verifier, TokenVerifier):
        raise ConfigurationError(f"{name} is a {type(verifier).__name__}, which is no TokenVerifier.")
    if not verifier.knows_application:
        raise ConfigurationError(f"{name} ({type(verifier).__name__}) cannot tell which application a token is for.")


def _check_urls(server: AuthProvider | None, base_url: object | None, resource_base_url: object | None) -> None:
    """Clients go by the server's metadata: another URL here would only contradict it."""
    if server is None:
        return
    for name, given, known in (
        ("base_url", base_url, server.base_url),
        ("resource_base_url", resource_base_url, server.resource_base_url or server.base_url),
    ):
        if given is not None and str(given).rstrip("/") != str(known or "").rstrip("/"):
            raise ConfigurationError(f"{name} is {known} at the server: set it there.")
