"""Clients whose requests come from their makers' own machines."""

from __future__ import annotations

from dataclasses import replace

from tests.clients.steps import (
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
from tests.clients.transcript import AtOnce, Later, Login, Same, Stopped, Transcript

CLAUDE = "https://claude.ai/api/mcp/auth_callback"
CLAUDE_SCOPES = "openid profile email offline_access"
CLAUDE_DOCUMENT = "https://claude.ai/oauth/mcp-oauth-client-metadata"
CLAUDE_REGISTERS = register(
    CLAUDE,
    client_name="Claude",
    scope=CLAUDE_SCOPES,
    token_endpoint_auth_method="client_secret_post",
    expect={"client_secret": ..., "scope": CLAUDE_SCOPES, "token_endpoint_auth_method": "client_secret_post"},
)
WITH_SECRET = {"client_secret": "{client_secret}"}

CLAUDE_CONNECTORS = Transcript(
    "Claude.ai and Desktop connectors",
    server={"base_url": "https://mcp.example.com", "valid_scopes": ["profile", "email"]},
    steps=(
        UNCHALLENGED,
        read(f"{PRM}/mcp", answer={"resource": "{resource}", "authorization_servers": ["{issuer}"]}),
        # It asks for what is listed here, in this order, and gets refresh tokens only where offline_access is.
        read(SERVER, answer={"issuer": "{issuer}", "scopes_supported": CLAUDE_SCOPES.split()}, keep=ENDPOINTS),
        replace(CLAUDE_REGISTERS, keep={"first_client": "client_id"}),
        CLAUDE_REGISTERS,
        Same(("first_client", "client_id"), equal=False),
        login(CLAUDE, scope=CLAUDE_SCOPES),
        redeem(CLAUDE, **WITH_SECRET),
        call(),
        Later(3000),
        # Two of its machines refresh the same session.
        AtOnce(
            (
                replace(refresh(**WITH_SECRET), address="160.79.104.10", keep={"here": "refresh_token"}),
                replace(refresh(**WITH_SECRET), address="160.79.104.11", keep={"there": "refresh_token"}),
            )
        ),
        Same(("here", "there")),
        refresh(refresh_token="{here}", **WITH_SECRET),
        call(),
        # Only this answer makes it register again, and then it does so at once.
        refused(refresh(client_id="of-a-server-that-was-here-before", **WITH_SECRET), 401, "invalid_client"),
        CLAUDE_REGISTERS,
        login(CLAUDE, scope=CLAUDE_SCOPES),
        redeem(CLAUDE, **WITH_SECRET),
        call(),
    ),
)

CLAUDE_AT_THE_ROOT = Transcript(
    "Claude.ai, versions that asked the root of a bare host for everything",
    server={"base_url": "https://mcp.example.com"},
    path="/",
    steps=(
        UNCHALLENGED,
        read(PRM, answer={"resource": "{base}", "authorization_servers": ["{issuer}"]}),
        replace(CLAUDE_REGISTERS, url="{base}/register"),
        Login(authorize(CLAUDE, resource="{base}/"), url="{base}/authorize", lands=CLAUDE),
        replace(redeem(CLAUDE, resource="{base}/", **WITH_SECRET), url="{base}/token"),
        call(),
        replace(refresh(resource="{base}/", **WITH_SECRET), url="{base}/token"),
        call(),
    ),
)

CLAUDE_BY_DOCUMENT = Transcript(
    "Claude.ai by its metadata document, whose host turns servers in data centres away",
    server={"base_url": "https://mcp.example.com"},
    client_id=CLAUDE_DOCUMENT,
    documents={CLAUDE_DOCUMENT: 403},
    steps=(
        *DISCOVERY,
        login(CLAUDE),
        redeem(CLAUDE),
        call(),
        login("https://claude.com/api/mcp/auth_callback"),
        redeem("https://claude.com/api/mcp/auth_callback"),
        call(),
    ),
)

CHATGPT_DOCUMENT = "https://chatgpt.com/oauth/7c1/client.json"
CHATGPT = "https://chatgpt.com/connector/oauth/7c1"
SIGNED = {
    "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
    "client_assertion": "{assertion}",
}

CHATGPT_BY_DOCUMENT = Transcript(
    "ChatGPT",
    server={"base_url": "https://mcp.example.com"},
    client_id=CHATGPT_DOCUMENT,
    documents={
        CHATGPT_DOCUMENT: {
            "client_id": CHATGPT_DOCUMENT,
            "client_name": "ChatGPT",
            "redirect_uris": [CHATGPT],
            "grant_types": ["authorization_code", "refresh_token"],
            "token_endpoint_auth_method": "private_key_jwt",
            "token_endpoint_auth_signing_alg": "RS256",
            "jwks_uri": "https://client.example/jwks.json",
        }
    },
    steps=(
        UNCHALLENGED,
        read(f"{PRM}/mcp", answer={"resource": "{resource}"}),
        read(f"{OPENID}/mcp", answer={"issuer": "{issuer}"}),
        read(OPENID, answer={"issuer": "{issuer}", "client_id_metadata_document_supported": True}, keep=ENDPOINTS),
        read(SERVER, answer={"token_endpoint_auth_signing_alg_values_supported": ...}),
        login(CHATGPT),
        # It posts every code twice. The second is refused, as it must be, and the session of the first lives on.
        redeem(CHATGPT, **SIGNED),
        refused(redeem(CHATGPT, **SIGNED), 400, "invalid_grant"),
        call(),
        refresh(**SIGNED),
        call(),
        # What its document declares is enforced: without a signature it is nobody.
        refused(refresh(), 401, "invalid_client"),
    ),
)

CHATGPT_STABLE = "https://chatgpt.com/connector_platform_oauth_redirect"

CHATGPT_REGISTERED = Transcript(
    "ChatGPT where the server returns iss: one callback for all connections, by registration",
    server={"base_url": "https://mcp.example.com"},
    steps=(
        *DISCOVERY,
        read(SERVER, answer={"authorization_response_iss_parameter_supported": True}),
        register(CHATGPT_STABLE, client_name="ChatGPT"),
        *sign_in(CHATGPT_STABLE, scope="openid"),
    ),
)

POWER_PLATFORM = "https://global.consent.azure-apim.net/redirect/cr1a2-5fnotes-5f1c3d"

COPILOT_STUDIO = Transcript(
    "Copilot Studio and Power Platform",
    server={"base_url": "https://mcp.example.com", "valid_scopes": ["profile"]},
    steps=(
        *DISCOVERY,
        register(
            POWER_PLATFORM,
            client_name="Copilot Studio",
            token_endpoint_auth_method="client_secret_post",
            expect={"client_secret": ...},
        ),
        # It never says which scopes it wants, nor for which resource, and gets what the resource demands.
        login(POWER_PLATFORM, scope="", resource=""),
        replace(redeem(POWER_PLATFORM, resource="", **WITH_SECRET), answer={"scope": "openid", "refresh_token": ...}),
        call(),
        refresh(**WITH_SECRET),
    ),
)

MISTRAL = "https://callback.mistral.ai/v1/integrations_auth/oauth2_callback"
BASIC = {"authorization": "Basic {basic}"}

LE_CHAT = Transcript(
    "Le Chat",
    server={"base_url": "https://mcp.example.com"},
    steps=(
        *DISCOVERY,
        register(
            MISTRAL,
            client_name="Mistral AI",
            token_endpoint_auth_method="client_secret_basic",
            expect={"client_secret": ..., "token_endpoint_auth_method": "client_secret_basic"},
        ),
        login(MISTRAL),
        replace(redeem(MISTRAL, client_id=""), headers=BASIC),
        call(),
        replace(refresh(client_id=""), headers=BASIC),
        call(),
    ),
)

GROK_DOCUMENT = "https://grok.com/oauth/mcp-client.json"
GROK = "https://grok.com/connectors-oauth-exchange-code/"
XAI = "https://console.x.ai/connectors-oauth-exchange-code/"

GROK_CONNECTORS = Transcript(
    "Grok",
    server={"base_url": "https://mcp.example.com"},
    client_id=GROK_DOCUMENT,
    documents={
        GROK_DOCUMENT: {
            "client_id": GROK_DOCUMENT,
            "client_name": "Grok",
            "redirect_uris": [GROK, XAI],
            "token_endpoint_auth_method": "none",
            "grant_types": ["authorization_code", "refresh_token"],
        }
    },
    steps=(
        *DISCOVERY,
        login(GROK),
        redeem(GROK),
        call(),
        login(XAI),
        redeem(XAI),
        refresh(),
        # Redirect URIs are compared as strings (RFC 9700 §2.1): the slash is part of the address.
        Stopped(authorize(GROK.rstrip("/")), 400, ("redirect_uri_mismatch",)),
    ),
)

PERPLEXITY = "https://www.perplexity.ai/rest/connections/oauth_callback"

PERPLEXITY_CONNECTORS = Transcript(
    "Perplexity",
    server={"base_url": "https://mcp.example.com"},
    steps=(
        *DISCOVERY,
        register(PERPLEXITY, client_name="Perplexity"),
        # Its embedded view keeps no cookies, and a login is bound to the browser that began it (RFC 9700 §4.7): the page says what to do.
        Stopped(authorize(PERPLEXITY), 403, ("login_cookie_missing", "browser"), embedded=True),
        *sign_in(PERPLEXITY),
    ),
)

HOME = "https://my.home-assistant.io/redirect/oauth"

HOME_ASSISTANT = Transcript(
    "Home Assistant",
    server={"base_url": "https://mcp.example.com"},
    # It asks for no offline scope and needs refresh tokens all the same.
    steps=(*DISCOVERY, register(HOME), *sign_in(HOME, scope="openid"), Later(3700), refresh(), call()),
)

N8N = "https://n8n.example/rest/oauth2-credential/callback"

N8N_CREDENTIALS = Transcript(
    "n8n",
    server={"base_url": "https://mcp.example.com"},
    steps=(
        *DISCOVERY,
        register(N8N, client_name="n8n", client_uri="https://n8n.io", expect={"client_uri": "https://n8n.io"}),
        *sign_in(N8N),
        Stopped(authorize(f"{N8N}/"), 400, ("redirect_uri_mismatch",)),
    ),
)

LIBRECHAT = "https://chat.example/api/mcp/notes/oauth/callback"

LIBRECHAT_WORKERS = Transcript(
    "LibreChat, and others of which every process refreshes for itself",
    server={"base_url": "https://mcp.example.com"},
    steps=(
        *DISCOVERY,
        register(LIBRECHAT, client_name="LibreChat MCP Client"),
        *sign_in(LIBRECHAT),
        AtOnce(tuple(replace(refresh(), keep={f"worker_{n}": "refresh_token"}) for n in range(4))),
        Same(tuple(f"worker_{n}" for n in range(4))),
        Later(45),
        replace(refresh(), keep={"late": "refresh_token"}),
        Same(("worker_0", "late")),
        refresh(refresh_token="{late}"),
        call(),
    ),
)

TRANSCRIPTS = (
    CLAUDE_CONNECTORS,
    CLAUDE_AT_THE_ROOT,
    CLAUDE_BY_DOCUMENT,
    CHATGPT_BY_DOCUMENT,
    CHATGPT_REGISTERED,
    COPILOT_STUDIO,
    LE_CHAT,
    GROK_CONNECTORS,
    PERPLEXITY_CONNECTORS,
    HOME_ASSISTANT,
    N8N_CREDENTIALS,
    LIBRECHAT_WORKERS,
)
