"""Editors, browser clients and libraries."""

from __future__ import annotations

from dataclasses import replace

from tests.clients.steps import (
    ACCEPT,
    CALL,
    DISCOVERY,
    ENDPOINTS,
    OPENID,
    PRM,
    SERVER,
    UNCHALLENGED,
    authorize,
    call,
    login,
    read,
    redeem,
    refresh,
    refused,
    register,
    sign_in,
)
from tests.clients.transcript import Later, Login, Request, Stopped, Transcript

CURSOR_APP = "cursor://anysphere.cursor-mcp/oauth/callback"
CURSOR_WEB = "https://www.cursor.com/agents/mcp/oauth/callback"
CURSOR_LOOPBACK = "http://localhost:8787/callback"

CURSOR = Transcript(
    "Cursor",
    steps=(
        *DISCOVERY,
        register(CURSOR_APP, CURSOR_WEB, CURSOR_LOOPBACK, client_name="Cursor"),
        *sign_in(CURSOR_APP),
        *sign_in(CURSOR_WEB),
        *sign_in(CURSOR_LOOPBACK),
        # Older versions ask for ever after this answer; it is the right one all the same (RFC 6749 §5.2).
        refused(refresh(refresh_token="long-gone"), 400, "invalid_grant"),
        refused(refresh(refresh_token="long-gone"), 400, "invalid_grant"),
    ),
)

VSCODE_URIS = (
    "https://insiders.vscode.dev/redirect",
    "https://vscode.dev/redirect",
    "http://127.0.0.1/",
    "http://127.0.0.1:33418/",
)

VS_CODE = Transcript(
    "VS Code",
    server={"valid_scopes": ["profile", "email"]},
    steps=(
        *DISCOVERY,
        register(
            *VSCODE_URIS,
            client_name="Visual Studio Code",
            grant_types=["authorization_code", "refresh_token", "urn:ietf:params:oauth:grant-type:device_code"],
            # What the server does not have is left out, and the answer says so (RFC 7591 §3.2.1).
            expect={"grant_types": ["authorization_code", "refresh_token"]},
        ),
        # It asks for every scope there is.
        *sign_in("http://127.0.0.1:33418/", scope="openid profile email offline_access"),
        *sign_in("https://vscode.dev/redirect"),
        # The port is taken, so it listens at another (RFC 8252 §7.3).
        *sign_in("http://127.0.0.1:50123/"),
        # Without the slash it is another address (RFC 9700 §2.1).
        Stopped(authorize("http://127.0.0.1:33418"), 400, ("redirect_uri_mismatch",)),
        Stopped(authorize("https://vscode.dev/redirect/"), 400, ("redirect_uri_mismatch",)),
        # It keeps its client id for ever.
        Later(200 * 86_400),
        *sign_in("http://127.0.0.1:33418/"),
        refresh(),
    ),
)

INSPECTOR_ORIGIN = {"origin": "http://localhost:6274"}
INSPECTOR_CALLBACK = "http://localhost:6274/oauth/callback"
INSPECTOR_DEBUG = "http://localhost:6274/oauth/callback/debug"


def preflight(url: str, method: str, asked: str, origin: str = "*") -> Request:
    """What a browser asks before it sends (Fetch §4.8); without a token."""
    headers = {**INSPECTOR_ORIGIN, "access-control-request-method": method, "access-control-request-headers": asked}
    headed = {
        "access-control-allow-methods": method,
        "access-control-allow-headers": asked,
        "access-control-allow-origin": origin,
    }
    return Request("OPTIONS", url, headers, status=204, headed=headed)


def from_page(request: Request, origin: str = "*") -> Request:
    """The same from a web page, which must be able to read the answer."""
    headed = {**request.headed, "access-control-allow-origin": origin}
    return replace(request, headers={**request.headers, **INSPECTOR_ORIGIN}, headed=headed)


def to_resource(request: Request) -> Request:
    """The resource names the page's origin, and lets it read the challenge."""
    shared = from_page(request, INSPECTOR_ORIGIN["origin"])
    return replace(shared, headed={**shared.headed, "access-control-expose-headers": "WWW-Authenticate"})


INSPECTOR = Transcript(
    "MCP Inspector",
    steps=(
        preflight("{resource}", "POST", "authorization, content-type, mcp-protocol-version", INSPECTOR_ORIGIN["origin"]),
        to_resource(UNCHALLENGED),
        preflight("{base}" + f"{PRM}/mcp", "GET", "mcp-protocol-version"),
        from_page(read(f"{PRM}/mcp", answer={"resource": "{resource}"})),
        preflight("{base}" + SERVER, "GET", "mcp-protocol-version"),
        from_page(read(SERVER, keep=ENDPOINTS | {"revocation_endpoint": "revocation_endpoint", "jwks_uri": "jwks_uri"})),
        from_page(read(OPENID, answer={"issuer": "{issuer}"})),
        from_page(Request("GET", "{jwks_uri}", answer={"keys": ...})),
        preflight("{registration_endpoint}", "POST", "content-type"),
        from_page(register(INSPECTOR_CALLBACK, INSPECTOR_DEBUG, client_name="MCP Inspector")),
        login(INSPECTOR_CALLBACK),
        preflight("{token_endpoint}", "POST", "content-type"),
        from_page(redeem(INSPECTOR_CALLBACK)),
        to_resource(call()),
        login(INSPECTOR_DEBUG),
        from_page(redeem(INSPECTOR_DEBUG)),
        from_page(refresh()),
        # It shows what went wrong, so errors must be readable as well.
        from_page(refused(redeem(INSPECTOR_DEBUG), 400, "invalid_grant")),
        preflight("{revocation_endpoint}", "POST", "content-type"),
        from_page(Request("POST", "{revocation_endpoint}", form={"token": "{refresh_token}", "client_id": "{client_id}"})),
        to_resource(call(status=401, answer={"error": "invalid_token"})),
    ),
)

ZED_DOCUMENT = "https://zed.dev/oauth/client-metadata.json"

ZED = Transcript(
    "Zed, whose document cannot be had just now",
    client_id=ZED_DOCUMENT,
    documents={ZED_DOCUMENT: 503},
    steps=(
        *DISCOVERY,
        *sign_in("http://127.0.0.1:27523/callback"),
        # Its port is taken by another window.
        *sign_in("http://127.0.0.1:49152/callback"),
        refresh(),
        # Its document names one spelling of the host only (RFC 3986 §6.2.1).
        Stopped(authorize("http://localhost:27523/callback"), 400, ("redirect_uri_mismatch",)),
    ),
)

ZED_BY_REGISTRATION = Transcript(
    "Zed where servers take no documents",
    server={"enable_cimd": False},
    steps=(
        UNCHALLENGED,
        read(SERVER, without=("client_id_metadata_document_supported",), keep=ENDPOINTS),
        register("http://127.0.0.1:27523/callback", client_name="Zed"),
        *sign_in("http://127.0.0.1:27523/callback"),
    ),
)

WINDSURF_CALLBACK = "windsurf://codeium.windsurf/oauth/callback"

WINDSURF = Transcript(
    "Windsurf",
    steps=(*DISCOVERY, register(WINDSURF_CALLBACK, client_name="Windsurf"), *sign_in(WINDSURF_CALLBACK), refresh(), call()),
)

OPEN_WEBUI_CALLBACK = "https://webui.example/oauth/clients/mcp:notes/callback"

OPEN_WEBUI = Transcript(
    "Open WebUI",
    steps=(
        *DISCOVERY,
        register(OPEN_WEBUI_CALLBACK, client_name="Open WebUI", token_endpoint_auth_method=None),
        *sign_in(OPEN_WEBUI_CALLBACK),
        refresh(),
    ),
)

SDK_CALLBACK = "http://localhost:8090/callback"

TYPESCRIPT_SDK = Transcript(
    "clients made with the TypeScript SDK",
    steps=(
        *DISCOVERY,
        # No id of its own, no document: it registers, and without this endpoint would give up.
        read(SERVER, answer={"registration_endpoint": "{base}/register", "client_id_metadata_document_supported": True}),
        register(SDK_CALLBACK, scope="openid", token_endpoint_auth_method="none", expect={"scope": "openid"}),
        login(SDK_CALLBACK, scope="openid"),
        redeem(SDK_CALLBACK),
        call(),
        refresh(resource="{resource}"),
    ),
)

OLD = {"accept": "application/json", "mcp-protocol-version": "2025-03-26"}

BEFORE_RESOURCE_METADATA = Transcript(
    "any client of the revision of 2025-03-26",
    steps=(
        replace(UNCHALLENGED, headers=OLD | {"accept": ACCEPT["accept"]}, headed={}),
        # The host's root is its authorization server; it knows no resource metadata and no resource indicators.
        Request("GET", "{base}" + SERVER, OLD, answer={"issuer": "{base}"}, keep=ENDPOINTS),
        register(SDK_CALLBACK),
        login(SDK_CALLBACK, resource=""),
        redeem(SDK_CALLBACK, resource=""),
        call(),
        refresh(),
    ),
)

BEFORE_ANY_METADATA = Transcript(
    "a client of 2025-03-26 that reads no metadata and goes to the places that revision names",
    steps=(
        register(SDK_CALLBACK, url="{base}/register"),
        Login(authorize(SDK_CALLBACK, resource=""), url="{base}/authorize", lands=SDK_CALLBACK),
        replace(redeem(SDK_CALLBACK, resource=""), url="{base}/token"),
        call(),
    ),
)

CHARSET = {"content-type": "application/x-www-form-urlencoded; charset=utf-8"}

ANYBODY = Transcript(
    "what some client or other does",
    server={"base_url": "https://mcp.example.com", "valid_scopes": ["profile"]},
    steps=(
        *(read(f"{kind}{path}", answer={"issuer": "{issuer}"}) for kind in (SERVER, OPENID) for path in ("", "/mcp")),
        *(read(f"{PRM}{path}", answer={"resource": "{resource}"}) for path in ("", "/mcp")),
        read(SERVER, keep=ENDPOINTS),
        register(SDK_CALLBACK),
        login(SDK_CALLBACK, scope="openid profile"),
        # A public client that sends an empty secret has none; a form may name its charset.
        replace(redeem(SDK_CALLBACK), headers=CHARSET, form={**(redeem(SDK_CALLBACK).form or {}), "client_secret": ""}),
        call(),
        # Scope and resource of a refresh are those of the grant, unless it says otherwise.
        replace(refresh(), answer={"scope": "openid profile", "expires_in": 3600, "refresh_token": ...}),
        replace(refresh(scope="openid", resource="{resource}"), answer={"scope": "openid", "refresh_token": ...}),
        replace(refresh(), answer={"scope": "openid profile", "refresh_token": ...}),
        # No address of the resource leads elsewhere: programs follow no redirect with a token.
        Request("POST", "{resource}/", ACCEPT, json=CALL, status=401),
    ),
)

TRANSCRIPTS = (
    CURSOR,
    VS_CODE,
    INSPECTOR,
    ZED,
    ZED_BY_REGISTRATION,
    WINDSURF,
    OPEN_WEBUI,
    TYPESCRIPT_SDK,
    BEFORE_RESOURCE_METADATA,
    BEFORE_ANY_METADATA,
    ANYBODY,
)
