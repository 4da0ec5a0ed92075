"""Putting the pieces of an authorization server together."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from vestibule.clients.assertions import ClientKeys
from vestibule.clients.authentication import ClientAuthenticator
from vestibule.clients.configured import ConfiguredClients
from vestibule.clients.directory import ClientDirectory
from vestibule.clients.documents import ClientDocuments
from vestibule.clients.dynamic import DynamicClients
from vestibule.errors import ConfigurationError
from vestibule.grants.access import AccessTokens
from vestibule.grants.listing import Listing
from vestibule.grants.refresh import RefreshRules
from vestibule.grants.renewal import Renewal
from vestibule.grants.revocation import Revocation
from vestibule.grants.sessions import Sessions
from vestibule.grants.sign_in import IdentityProvider
from vestibule.grants.store import Grants
from vestibule.grants.user_index import UserIndex
from vestibule.keys.key_file import KeyFile, WatchedKeys, key_file_path
from vestibule.keys.keyring import KeyRing, check_secret_strength
from vestibule.keys.sealing import Sealer
from vestibule.net.fetch import Fetcher
from vestibule.protocol.redirect_uris import AllowedRedirectURIs
from vestibule.protocol.scopes import ScopeHierarchy
from vestibule.protocol.server_metadata import check_issuer
from vestibule.resource.addresses import AllowedHosts
from vestibule.resource.step_up import ToolScopes
from vestibule.server.hall import Hall, Lifetimes
from vestibule.server.health import Readiness
from vestibule.server.pages import Pages
from vestibule.storage.announcements import announcements_of
from vestibule.storage.locate import key_path, open_store
from vestibule.storage.protocol import Store
from vestibule.storage.sealed import SealedRecords
from vestibule.storage.spent import SpentRecords
from vestibule.upstream.contact import Contact

if TYPE_CHECKING:
    from vestibule.proxy.oauth_proxy import OAuthProxy
    from vestibule.proxy.options import Options

__all__ = ["Built", "build", "public_url"]

_log = logging.getLogger("vestibule.start")


@dataclass(frozen=True, slots=True)
class Built:
    """An authorization server, ready to answer."""

    hall: Hall
    sessions: Sessions
    directory: ClientDirectory
    dynamic: DynamicClients
    records: SealedRecords
    readiness: Readiness
    revocation: Revocation


def public_url(value: object, name: str) -> str:
    """A URL of ours as text, without a slash at its end.

    Raises:
        ConfigurationError: it is missing, no URL, or http off loopback.
    """
    text = str(value or "").rstrip("/")
    if not text:
        raise ConfigurationError(f"{name} is required: the public URL of this server, e.g. https://mcp.example.com.")
    if urlsplit(text).scheme not in ("https", "http"):
        raise ConfigurationError(f"{name} must start with https:// (or http:// on a loopback address), not {text[:60]!r}.")
    check_issuer(text, name)
    return text


def build(proxy: OAuthProxy, options: Options, upstream: IdentityProvider, contact: Contact) -> Built:
    """Everything behind `proxy`, from its options."""
    clock = options.clock
    issuer = proxy.issuer
    store = open_store(options.client_storage, namespace=issuer, public_url=proxy.public_url, clock=clock)
    keyring = _keyring(options, store, proxy.public_url, issuer)
    sealer = Sealer(keyring)
    records = SealedRecords(store, sealer, clock)
    spent = SpentRecords(records)
    grants = Grants(records, clock, issuer=issuer)
    index = UserIndex(records, keyring, clock, issuer=issuer, life=options.session_life)
    listing = Listing(grants, index, clock, end=lambda grant_id, reason: proxy.end_grant(grant_id, reason=reason))
    revocation = Revocation(grants, listing, upstream.revoke)
    early = options.token_expiry_threshold_seconds
    renewal = Renewal(grants, upstream.renew, clock, early=early, take_back=revocation.take_back)
    access_tokens = AccessTokens(
        keyring, sealer, issuer=issuer, resources=proxy.resources, life=options.access_token_life, clock=clock
    )
    delay, outage = options.revocation_delay_seconds, options.store_outage_seconds
    sessions = Sessions(access_tokens, grants, renewal, clock, revocation_delay=delay, store_outage=outage)
    readiness = Readiness(records, sessions, contact, keyring, clock, store_outage=outage, hears=_hears(store))
    allowed = _allowed(options)
    dynamic = DynamicClients(keyring, sealer)
    fetcher = Fetcher(clock, allowed_hosts=_document_hosts(proxy, options), egress_proxy=options.egress_proxy)
    documents = ClientDocuments(fetcher, clock, on_loopback=proxy.is_loopback, allowed=allowed) if options.enable_cimd else None
    directory = ClientDirectory(dynamic, documents, ConfiguredClients(options.clients), allowed=allowed)
    authenticator = ClientAuthenticator(
        directory,
        issuer=issuer,
        token_endpoint=f"{proxy.public_url}/token",
        spend=spent.spend,
        keys=ClientKeys(fetcher, clock),
        clock=clock,
    )
    hall = Hall(
        issuer=issuer,
        base_url=proxy.public_url,
        redirect_path=proxy.redirect_path,
        resources=proxy.resources,
        required_scopes=tuple(proxy.required_scopes),
        valid_scopes=valid_scopes(proxy.required_scopes, options),
        hierarchy=ScopeHierarchy(options.scope_hierarchy),
        keyring=keyring,
        sealer=sealer,
        clock=clock,
        authenticator=authenticator,
        grants=grants,
        listing=listing,
        spent=spent,
        renewal=renewal,
        access_tokens=access_tokens,
        refresh_rules=RefreshRules(life=options.session_life),
        lifetimes=Lifetimes(),
        upstream=upstream,
        pages=_pages(proxy, options),
        consent_mode=options.require_authorization_consent,
        locks_upstream_tokens=options.upstream_token_protection == "client",  # noqa: S105 a mode
        allowed_redirect_uris=allowed,
        documents_enabled=options.enable_cimd,
        connections_page=options.connections_page,
        service_documentation=str(options.service_documentation_url) if options.service_documentation_url else None,
        authorize=proxy.authorize,
        register=proxy.register_client,
        find_client=directory.find,
        end_grant=proxy.end_grant,
    )
    _say_addresses(proxy)
    return Built(hall, sessions, directory, dynamic, records, readiness, revocation)


def _say_addresses(proxy: OAuthProxy) -> None:
    """What an operator has to enter elsewhere, and what a reverse proxy may send: the two that most often do not fit."""
    hosts = AllowedHosts([url for url in (proxy.base_url, proxy.resource_base_url) if url], proxy.allowed_hosts)
    _log.info("%s: the callback to register with the provider is %s%s", proxy.issuer, proxy.public_url, proxy.redirect_path)
    _log.info("%s: requests to the resource may name these hosts: %s", proxy.issuer, hosts)


def valid_scopes(required: Sequence[str], options: Options) -> tuple[str, ...]:
    """Everything a client may ask for, the required scopes first: clients show and ask in the order of the metadata.

    ``offline_access`` always, and last: some clients ask for refresh tokens only so.
    """
    tools = ToolScopes(options.tool_scopes).all_scopes()
    named = dict.fromkeys([*required, *(options.valid_scopes or ()), *tools])
    named.pop("offline_access", None)
    return (*named, "offline_access")


def _document_hosts(proxy: OAuthProxy, options: Options) -> tuple[str, ...]:
    """Where documents may be fetched from in spite of the address: what the operator named, and our own loopback host, where whoever
    develops a client publishes it (draft-ietf-oauth-client-id-metadata-document §8.6)."""
    own = urlsplit(proxy.public_url).hostname
    return (*options.client_document_hosts, *([own] if own and proxy.is_loopback else []))


def _keyring(options: Options, store: Store, url: str, issuer: str) -> KeyRing:
    setting = options.jwt_signing_key
    named = key_file_path(setting)
    if named is not None or setting is None or isinstance(setting, Path):
        file = (
            KeyFile(named, check=lambda secret: check_secret_strength(secret, url)) if named else _kept(options, store, issuer)
        )
        file.tighten()
        ring = KeyRing(WatchedKeys(file), options.clock)
        _log.info("%s: signing keys are kept in %s", issuer, file.path)
        return ring
    ring = KeyRing.from_secrets(setting)
    for key in ring.keys:
        check_secret_strength(key.secret, url)
    return ring


def _kept(options: Options, store: Store, issuer: str) -> KeyFile:
    """The file of keys beside the store, made at the first start."""
    file = KeyFile(key_path(store, namespace=issuer), generated=True)
    file.create(options.clock.now())
    return file


def _allowed(options: Options) -> AllowedRedirectURIs | None:
    patterns = options.allowed_client_redirect_uris
    return None if patterns is None else AllowedRedirectURIs(patterns)


def _pages(proxy: OAuthProxy, options: Options) -> Pages:
    admitted = [
        *(options.allowed_client_redirect_uris or ()),
        *(uri for client in options.clients for uri in client.redirect_uris),
    ]
    schemes = {uri.partition(":")[0].lower() for uri in admitted if ":" in uri} - {"http", "https"}
    return Pages(
        server_name=urlsplit(proxy.public_url).netloc,
        templates=options.page_templates,
        colours=options.page_colours,
        csp=options.consent_csp_policy,
        contact=options.operator_contact,
        schemes=schemes,
    )


def _hears(store: Store) -> Callable[[], bool | None] | None:
    """Whether notices of other processes arrive; a process that listens to none yet remembers nothing that they could be about."""
    announcements = announcements_of(store)
    return None if announcements is None else lambda: announcements.are_heard
