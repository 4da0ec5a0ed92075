"""Reading what a provider says of itself."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer

import httpx2
import pytest

from vestibule.errors import ConfigurationError, Unavailable
from vestibule.net.trusted import TrustedClient
from vestibule.upstream.discovery import OIDCConfiguration

ISSUER = "https://login.example.com/tenant"
CONFIG_URL = f"{ISSUER}/.well-known/openid-configuration"

DOCUMENT = {
    "issuer": ISSUER,
    "authorization_endpoint": f"{ISSUER}/authorize",
    "token_endpoint": f"{ISSUER}/token",
    "jwks_uri": f"{ISSUER}/keys",
    "response_types_supported": ["code"],
    "subject_types_supported": ["public"],
    "id_token_signing_alg_values_supported": ["RS256"],
}


class TestModel:
    def test_complete_document(self) -> None:
        configuration = OIDCConfiguration(**DOCUMENT)
        assert configuration.issuer == ISSUER
        assert configuration.revocation_endpoint is None

    def test_issuer_keeps_every_byte(self) -> None:
        assert OIDCConfiguration(**{**DOCUMENT, "issuer": "https://login.example.com"}).issuer == "https://login.example.com"

    def test_other_members_are_kept(self) -> None:
        assert OIDCConfiguration(**DOCUMENT, tenant_region_scope="EU").model_extra == {"tenant_region_scope": "EU"}

    @pytest.mark.parametrize("missing", DOCUMENT)
    def test_strict_names_what_is_missing(self, missing: str) -> None:
        with pytest.raises(ValueError, match=f"lacks {missing}"):
            OIDCConfiguration(**{name: value for name, value in DOCUMENT.items() if name != missing})

    def test_strict_names_all_that_is_missing(self) -> None:
        with pytest.raises(ValueError, match="lacks issuer, authorization_endpoint, token_endpoint, jwks_uri"):
            OIDCConfiguration()

    @pytest.mark.parametrize("name", ["issuer", "token_endpoint", "jwks_uri", "userinfo_endpoint"])
    @pytest.mark.parametrize(
        "value", ["nonsense", "javascript:alert(1)", "https://", "https://a b", "//host/path", "https://[::"]
    )
    def test_strict_names_what_is_no_url(self, name: str, value: str) -> None:
        with pytest.raises(ValueError, match=f"URL in {name}"):
            OIDCConfiguration(**{**DOCUMENT, name: value})

    def test_not_strict_takes_what_is_there(self) -> None:
        configuration = OIDCConfiguration(strict=False, token_endpoint="nonsense")
        assert configuration.token_endpoint == "nonsense"
        assert configuration.issuer is None


Answer = Callable[[BaseHTTPRequestHandler], None]


@contextmanager
def provider(answer: Answer) -> Iterator[tuple[str, list[str]]]:
    """A server on this machine that gives one kind of answer; its base URL and the paths that were asked for."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            answer(self)

        def log_message(self, *_: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", asked
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def reply(body: object = None, status: int = 200, **headers: str) -> Answer:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()

    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(status)
        for name, value in headers.items():
            handler.send_header(name, value)
        handler.send_header("content-length", str(len(content)))
        handler.end_headers()
        handler.wfile.write(content)

    return answer


def own_document(**changes: object) -> Answer:
    """The document whose issuer is the server itself."""

    def answer(handler: BaseHTTPRequestHandler) -> None:
        reply({**DOCUMENT, "issuer": f"http://{handler.headers['host']}", **changes})(handler)

    return answer


class TestOneGet:
    PATH = "/.well-known/openid-configuration"

    def test_reads_the_document_once(self) -> None:
        with provider(own_document()) as (base, asked):
            configuration = OIDCConfiguration.get_oidc_configuration(base + self.PATH)
        assert configuration.issuer == base
        assert asked == [self.PATH]

    def test_document_cannot_make_itself_lenient(self) -> None:
        with (
            provider(own_document(strict=False, token_endpoint=None)) as (base, _),
            pytest.raises(ValueError, match="token_endpoint"),
        ):
            OIDCConfiguration.get_oidc_configuration(base + self.PATH)

    def test_not_strict(self) -> None:
        with provider(own_document(jwks_uri=None)) as (base, _):
            assert OIDCConfiguration.get_oidc_configuration(base + self.PATH, strict=False).jwks_uri is None

    @pytest.mark.parametrize("status", [408, 429, 500, 503])
    def test_trouble_that_will_pass(self, status: int) -> None:
        with provider(reply({}, status)) as (base, _), pytest.raises(Unavailable, match=str(status)) as trouble:
            OIDCConfiguration.get_oidc_configuration(base + self.PATH)
        assert base + self.PATH in str(trouble.value)

    @pytest.mark.parametrize("status", [400, 401, 403, 404])
    def test_wrong_address(self, status: int) -> None:
        with provider(reply({}, status)) as (base, _), pytest.raises(ConfigurationError, match=str(status)) as error:
            OIDCConfiguration.get_oidc_configuration(base + self.PATH)
        assert base + self.PATH in str(error.value)

    def test_the_issuer_in_place_of_its_configuration(self) -> None:
        with (
            provider(reply({}, 404)) as (base, _),
            pytest.raises(ConfigurationError, match=f"usually is at {base}/.well-known/openid-configuration"),
        ):
            OIDCConfiguration.get_oidc_configuration(base + "/")

    def test_redirect_is_not_followed(self) -> None:
        with (
            provider(reply({}, 302, location="/elsewhere")) as (base, asked),
            pytest.raises(ConfigurationError, match="redirects"),
        ):
            OIDCConfiguration.get_oidc_configuration(base + self.PATH)
        assert asked == [self.PATH]

    @pytest.mark.parametrize("body", [b"<html>", b"[]", b'"text"', b"null", b"", b"\xff", b"[" * 100_000])
    def test_what_is_no_json_object(self, body: bytes) -> None:
        with provider(reply(body)) as (base, _), pytest.raises(ConfigurationError, match="no JSON object") as error:
            OIDCConfiguration.get_oidc_configuration(base + self.PATH)
        assert base + self.PATH in str(error.value)

    def test_members_of_a_wrong_type(self) -> None:
        with (
            provider(own_document(scopes_supported="openid")) as (base, _),
            pytest.raises(ConfigurationError, match="scopes_supported"),
        ):
            OIDCConfiguration.get_oidc_configuration(base + self.PATH)

    def test_endless_document(self) -> None:
        with provider(reply(b" " * (1024 * 1024 + 1))) as (base, _), pytest.raises(ConfigurationError, match="more than"):
            OIDCConfiguration.get_oidc_configuration(base + self.PATH)

    def test_drop_by_drop(self) -> None:
        def drip(handler: BaseHTTPRequestHandler) -> None:
            handler.send_response(200)
            handler.end_headers()
            try:
                while True:
                    handler.wfile.write(b" ")
                    handler.wfile.flush()
                    time.sleep(0.02)
            except OSError:
                pass

        with provider(drip) as (base, _), pytest.raises(Unavailable, match="ReadTimeout"):
            OIDCConfiguration.get_oidc_configuration(base + self.PATH, timeout_seconds=0.2)

    def test_nobody_there(self) -> None:
        with provider(reply({})) as (base, _):
            pass
        with pytest.raises(Unavailable, match="ConnectError"):
            OIDCConfiguration.get_oidc_configuration(base + self.PATH)

    @pytest.mark.parametrize("url", ["", "nonsense", "http://"])
    def test_what_is_no_url(self, url: str) -> None:
        with pytest.raises(ValueError, match="URL"):
            OIDCConfiguration.get_oidc_configuration(url)


@pytest.mark.anyio
class TestFetch:
    """The same without blocking; here also which issuers fit a URL."""

    async def fetch(
        self, config_url: str, document: object, status: int = 200, strict: bool | None = None
    ) -> OIDCConfiguration:
        transport = httpx2.MockTransport(lambda _: httpx2.Response(status, json=document))
        async with httpx2.AsyncClient(transport=transport) as client:
            return await OIDCConfiguration.fetch(config_url, http=TrustedClient(client), strict=strict)

    async def test_reads_the_document(self) -> None:
        assert (await self.fetch(CONFIG_URL, DOCUMENT)).token_endpoint == f"{ISSUER}/token"

    async def test_trouble_that_will_pass(self) -> None:
        with pytest.raises(Unavailable):
            await self.fetch(CONFIG_URL, DOCUMENT, status=502)

    @pytest.mark.parametrize(
        "config_url",
        [
            "https://login.example.com/tenant/.well-known/openid-configuration",
            "https://login.example.com/.well-known/openid-configuration/tenant",
            "https://login.example.com/.well-known/oauth-authorization-server/tenant",
        ],
    )
    @pytest.mark.parametrize("issuer", [ISSUER, ISSUER + "/"])
    async def test_issuer_that_fits(self, config_url: str, issuer: str) -> None:
        assert (await self.fetch(config_url, {**DOCUMENT, "issuer": issuer})).issuer == issuer

    @pytest.mark.parametrize(
        "issuer",
        [
            "https://login.example.com",
            "https://login.example.com/tenant2",
            "https://login.example.com/tenant/sub",
            "http://login.example.com/tenant",
            "https://evil.example/tenant",
            "https://login.example.com:8443/tenant",
            "https://login.example.com@evil.example/tenant",
        ],
    )
    async def test_issuer_that_does_not_fit(self, issuer: str) -> None:
        with pytest.raises(ConfigurationError, match="not the configuration of the issuer"):
            await self.fetch(CONFIG_URL, {**DOCUMENT, "issuer": issuer})

    async def test_not_strict_takes_another_path_of_the_same_host_only(self) -> None:
        document = {**DOCUMENT, "issuer": "https://login.example.com/0000-1111/v2.0/"}
        assert (await self.fetch(CONFIG_URL, document, strict=False)).issuer == document["issuer"]
        with pytest.raises(ConfigurationError):
            await self.fetch(CONFIG_URL, {**DOCUMENT, "issuer": "https://evil.example/tenant"}, strict=False)
