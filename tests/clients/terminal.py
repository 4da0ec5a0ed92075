"""Clients that run on the user's machine in a terminal, and are called back at a loopback address."""

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
from tests.clients.transcript import AtOnce, Later, Same, Stopped, Transcript, Trouble, Windows

CLAUDE_CODE_DOCUMENT = "https://claude.ai/oauth/claude-code-client-metadata"
PUBLISHED = {
    CLAUDE_CODE_DOCUMENT: {
        "client_id": CLAUDE_CODE_DOCUMENT,
        "client_name": "Claude Code",
        "client_uri": "https://claude.ai",
        "redirect_uris": ["http://localhost/callback", "http://127.0.0.1/callback"],
        "grant_types": ["authorization_code", "refresh_token"],
        "response_types": ["code"],
        "token_endpoint_auth_method": "none",
    }
}

CLAUDE_CODE = Transcript(
    "Claude Code",
    server={"base_url": "https://mcp.example.com"},
    client_id=CLAUDE_CODE_DOCUMENT,
    documents=PUBLISHED,
    steps=(
        *DISCOVERY,
        # Its schema wants a URL here or nothing, never null.
        read(SERVER, answer={"registration_endpoint": ..., "authorization_response_iss_parameter_supported": True}),
        # Its document lists both spellings without a port; which one it sends depends on its version. No scope, no resource.
        login("http://localhost:51234/callback", resource=""),
        redeem("http://localhost:51234/callback", resource=""),
        call(),
        login("http://127.0.0.1:61234/callback"),
        redeem("http://127.0.0.1:61234/callback", resource=""),
        call(),
        Later(3700),
        AtOnce((replace(refresh(), keep={"one": "refresh_token"}), replace(refresh(), keep={"other": "refresh_token"}))),
        Same(("one", "other")),
    ),
)

CLAUDE_CODE_BY_REGISTRATION = Transcript(
    "Claude Code, which may register although it has a document",
    steps=(
        *DISCOVERY,
        register("http://localhost:51234/callback", client_name="Claude Code (notes)"),
        *sign_in("http://localhost:51234/callback"),
        refresh(),
    ),
)

CLAUDE_CODE_ELSEWHERE = Transcript(
    "Claude Code, versions that name another resource than the one they call",
    server={"base_url": "https://mcp.example.com"},
    client_id=CLAUDE_CODE_DOCUMENT,
    documents=PUBLISHED,
    steps=(
        *DISCOVERY,
        # A token must be for the resource that was asked for (RFC 8707 §2); the root and a path with a slash are other resources.
        # Only a bare host is the same with and without one. Its document proves the address, so the refusal reaches the program.
        replace(
            login("http://localhost:51234/callback", resource="{base}/"),
            returns={"error": "invalid_target", "error_description": ..., "state": "{state}", "iss": "{issuer}"},
        ),
        replace(
            login("http://localhost:51234/callback", resource="{resource}/"),
            returns={"error": "invalid_target", "error_description": ..., "state": "{state}", "iss": "{issuer}"},
        ),
    ),
)

CODEX_CALLBACK = "http://127.0.0.1:1455/callback/5f1c3d"

CODEX = Transcript(
    "Codex CLI",
    steps=(
        *DISCOVERY,
        register(CODEX_CALLBACK, client_name="Codex"),
        # It asks for OpenID scopes of its own choice; what is unknown here is left out and the answer says so (RFC 6749 §3.3).
        login(CODEX_CALLBACK, scope="openid profile email"),
        replace(redeem(CODEX_CALLBACK), answer={"scope": "openid", "refresh_token": ...}),
        call(),
        AtOnce((replace(refresh(), keep={"one": "refresh_token"}), replace(refresh(), keep={"other": "refresh_token"}))),
        Same(("one", "other")),
        replace(refresh(refresh_token="{one}"), keep={"next": "refresh_token"}),
        refresh(refresh_token="{next}"),
        # It tries a dead one again and again: every time the same clear no, and never one that makes its registration look wrong.
        refused(refresh(refresh_token="{one}"), 400, "invalid_grant"),
        refused(refresh(refresh_token="{one}"), 400, "invalid_grant"),
        refused(refresh(), 400, "invalid_grant"),
    ),
)

REMOTE = "http://localhost:3334/oauth/callback"

MCP_REMOTE = Transcript(
    "mcp-remote",
    steps=(
        *DISCOVERY,
        read(
            SERVER, answer={"issuer": "{base}", "authorization_endpoint": "{base}/authorize", "token_endpoint": "{base}/token"}
        ),
        register(REMOTE, client_name="MCP CLI Proxy", client_uri="https://github.com/modelcontextprotocol/mcp-cli"),
        *sign_in(REMOTE),
        # Its port comes from a hash that changes with its version, while the registration on disk stays (RFC 8252 §7.3).
        *sign_in("http://localhost:17208/oauth/callback"),
        # Another spelling of the host is another redirect URI (RFC 3986 §6.2.1).
        Stopped(authorize("http://127.0.0.1:3334/oauth/callback"), 400, ("redirect_uri_mismatch",)),
    ),
)

GEMINI_CALLBACK = "http://localhost:7777/oauth/callback"

GEMINI = Transcript(
    "Gemini CLI",
    steps=(
        UNCHALLENGED,
        read(f"{PRM}/mcp", answer={"resource": "{resource}"}),
        # It took endpoints for issuers: what is not there has to be a plain 404, never a page or a redirect.
        read(f"{SERVER}/authorize", status=404),
        read(f"/authorize{OPENID}", status=404),
        read(f"{OPENID}/mcp", answer={"issuer": "{issuer}"}),
        read(OPENID, answer={"issuer": "{issuer}"}, keep=ENDPOINTS),
        register(GEMINI_CALLBACK, client_name="Gemini CLI MCP Client"),
        login(GEMINI_CALLBACK, scope="openid"),
        UNCHALLENGED,  # it knocks again before it redeems the code
        redeem(GEMINI_CALLBACK),
        call(),
        refresh(scope="openid"),
        call(),
    ),
)

GOOSE = Transcript(
    "Goose",
    steps=(
        *DISCOVERY,
        replace(register("http://127.0.0.1:40001/oauth_callback"), keep={"first": "client_id"}),
        replace(register("http://127.0.0.1:40002/oauth_callback"), keep={"second": "client_id"}),
        replace(register("http://127.0.0.1:40003/oauth_callback"), keep={"client_id": "client_id"}),
        # Three windows of one browser, three clients, at the same time.
        Windows(
            (
                login("http://127.0.0.1:40001/oauth_callback", client_id="{first}", keep="first_code"),
                login("http://127.0.0.1:40002/oauth_callback", client_id="{second}", keep="second_code"),
                login("http://127.0.0.1:40003/oauth_callback"),
            )
        ),
        redeem("http://127.0.0.1:40002/oauth_callback", client_id="{second}", code="{second_code}"),
        redeem("http://127.0.0.1:40001/oauth_callback", client_id="{first}", code="{first_code}"),
        redeem("http://127.0.0.1:40003/oauth_callback"),
        call(),
    ),
)

OPENCODE_CALLBACK = "http://127.0.0.1:19876/mcp/oauth/callback"

OPENCODE = Transcript(
    "opencode",
    steps=(
        *DISCOVERY,
        replace(register(OPENCODE_CALLBACK), keep={"run_1": "client_id"}),
        replace(register(OPENCODE_CALLBACK), keep={"run_2": "client_id"}),
        register(OPENCODE_CALLBACK),
        Same(("run_1", "run_2", "client_id"), equal=False),
        login(OPENCODE_CALLBACK, client_id="{run_1}"),
        replace(
            redeem(OPENCODE_CALLBACK, client_id="{run_1}"), keep={"first": "access_token", "refresh_token": "refresh_token"}
        ),
        *sign_in(OPENCODE_CALLBACK),
        # A new registration ends nothing of the runs before.
        call("{first}"),
    ),
)

PI_CALLBACK = "http://localhost:3000/callback"

OH_MY_PI = Transcript(
    "oh-my-pi",
    steps=(
        *DISCOVERY,
        register(PI_CALLBACK),
        *sign_in(PI_CALLBACK),
        # A refresh token is bound to its client, and a public client says who it is by its id (RFC 6749 §3.2.1, §10.4): one that does
        # not is nobody. The refusal ends nothing, so that a version that sends the id goes on with the same session.
        refused(refresh(client_id=""), 401, "invalid_client"),
        call(),
        refresh(),
    ),
)

HERMES_DOCUMENT = "https://hermes.example/client.json"
HERMES_CALLBACK = "http://127.0.0.1:8765/callback"
UNAVAILABLE = refused(refresh(), 503, "temporarily_unavailable")

HERMES = Transcript(
    "hermes-agent",
    client_id=HERMES_DOCUMENT,
    documents={
        HERMES_DOCUMENT: {
            "client_id": HERMES_DOCUMENT,
            "client_name": "Hermes",
            "redirect_uris": ["http://127.0.0.1/callback"],
            "grant_types": ["authorization_code", "refresh_token"],
        }
    },
    steps=(
        *DISCOVERY,
        *sign_in(HERMES_CALLBACK),
        # One invalid_client makes it forget its id for good, so that nothing that passes may look like one.
        Trouble("store"),
        UNAVAILABLE,
        Trouble("nothing"),
        Later(3700),
        Trouble("provider"),
        UNAVAILABLE,
        Trouble("nothing"),
        Later(40),
        refresh(),
        call(),
        # The document is out of reach for hours: the copy of before stands in.
        Later(3 * 3600),
        Trouble("documents"),
        refresh(),
        call(),
        # Longer than a copy is kept.
        Later(26 * 3600),
        UNAVAILABLE,
        Trouble("nothing"),
        Later(60),
        refresh(),
        call(),
    ),
)

KIMI = Transcript(
    "kimi",
    steps=(
        *DISCOVERY,
        register("http://127.0.0.1:38000/callback"),
        # The registration of the first day stays on its disk, with another port in every run.
        Later(90 * 86_400),
        *sign_in("http://127.0.0.1:52817/callback"),
        refresh(),
    ),
)

TRANSCRIPTS = (
    CLAUDE_CODE,
    CLAUDE_CODE_BY_REGISTRATION,
    CLAUDE_CODE_ELSEWHERE,
    CODEX,
    MCP_REMOTE,
    GEMINI,
    GOOSE,
    OPENCODE,
    OH_MY_PI,
    HERMES,
    KIMI,
)
