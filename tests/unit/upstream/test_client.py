"""The provider's endpoints, seen from their client; the provider is a transport that records and answers."""

import base64
import json
from collections.abc import Callable
from urllib.parse import parse_qs, parse_qsl, urlsplit

import httpx2
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from hypothesis import given
from hypothesis import strategies as st

from vestibule.errors import ConfigurationError, Unavailable, UpstreamMisconfigured, UpstreamRefused
from vestibule.keys.jwt import ASYMMETRIC_ALGORITHMS, JWTKeySet, decode
from vestibule.net.exchange import FetchResult
from vestibule.net.trusted import TrustedClient
from vestibule.testing import FakeClock
from vestibule.upstream.answers import UpstreamTokens, read_tokens
from vestibule.upstream.client import UpstreamClient

pytestmark = pytest.mark.anyio

TOKENS = {"access_token": "the-access-token", "token_type": "Bearer", "expires_in": 3600}
SECRET = "the-client-secret"


class Provider:
    """Answers each request with the next answer, the last one for ever, and keeps the requests."""

    def __init__(self, *answers: httpx2.Response) -> None:
        self.answers = list(answers) or [httpx2.Response(200, json=TOKENS)]
        self.requests: list[httpx2.Request] = []

    def __call__(self, request: httpx2.Request) -> httpx2.Response:
        self.requests.append(request)
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]

    @property
    def form(self) -> dict[str, str]:
        return dict(parse_qsl(self.requests[-1].content.decode(), keep_blank_values=True, strict_parsing=True))


def client_of(
    provider: Callable[[httpx2.Request], httpx2.Response], clock: FakeClock | None = None, **options: object
) -> UpstreamClient:
    clock = clock or FakeClock()
    settings: dict[str, object] = {
        "authorization_endpoint": "https://login.example.com/authorize",
        "token_endpoint": "https://login.example.com/token",
        "revocation_endpoint": "https://login.example.com/revoke",
        "client_id": "our-id",
        "client_secret": SECRET,
        **options,
    }
    http = TrustedClient(httpx2.AsyncClient(transport=httpx2.MockTransport(provider)), clock=clock)
    return UpstreamClient(**settings, http=http, clock=clock)  # type: ignore[arg-type]


REQUEST = {"redirect_uri": "https://hall.example/auth/callback", "state": "s t", "scopes": ["openid", "email"], "nonce": "n"}


class TestAuthorizationURL:
    def query(self, upstream: UpstreamClient, **request: object) -> dict[str, list[str]]:
        return parse_qs(urlsplit(upstream.authorization_url(**{**REQUEST, **request})).query, keep_blank_values=True)  # type: ignore[arg-type]

    @pytest.mark.spec("PX-08")
    def test_says_what_the_protocol_wants(self) -> None:
        assert self.query(client_of(Provider()), code_challenge="c", resource="https://api.example.com") == {
            "response_type": ["code"],
            "client_id": ["our-id"],
            "redirect_uri": ["https://hall.example/auth/callback"],
            "scope": ["openid email"],
            "state": ["s t"],
            "nonce": ["n"],
            "code_challenge": ["c"],
            "code_challenge_method": ["S256"],
            "resource": ["https://api.example.com"],
        }

    def test_leaves_out_what_is_not_there(self) -> None:
        assert self.query(client_of(Provider()), scopes=()).keys() == {
            "response_type",
            "client_id",
            "redirect_uri",
            "state",
            "nonce",
        }

    def test_query_of_the_endpoint_stays(self) -> None:
        upstream = client_of(Provider(), authorization_endpoint="https://login.example.com/authorize?p=B2C_1_signin&x=")
        query = self.query(upstream)
        assert (query["p"], query["x"], query["state"]) == (["B2C_1_signin"], [""], ["s t"])

    def test_wishes_of_the_client_are_forwarded_and_nothing_else(self) -> None:
        wishes = {"prompt": "login", "login_hint": "a@b", "max_age": "60", "acr_values": "mfa", "ui_locales": "de"}
        query = self.query(
            client_of(Provider()), forwarded={**wishes, "redirect_uri": "https://evil.example", "hd": "evil.example"}
        )
        assert {name: query[name] for name in wishes} == {name: [value] for name, value in wishes.items()}
        assert query["redirect_uri"] == [REQUEST["redirect_uri"]]
        assert "hd" not in query

    def test_operators_parameters_win_over_wishes(self) -> None:
        upstream = client_of(Provider(), extra_authorize_params={"prompt": "consent", "access_type": "offline"})
        query = self.query(upstream, forwarded={"prompt": "none"})
        assert (query["prompt"], query["access_type"]) == (["consent"], ["offline"])

    @given(state=st.text(), nonce=st.text(min_size=1), scope=st.text(alphabet="abc:/.%&=+", min_size=1))
    def test_no_value_reaches_into_another(self, state: str, nonce: str, scope: str) -> None:
        query = self.query(client_of(Provider()), state=state + "s", nonce=nonce, scopes=[scope])
        assert (query["state"], query["nonce"], query["scope"]) == ([state + "s"], [nonce], [scope])
        assert len(query) == 6


class TestConstruction:
    @pytest.mark.parametrize(
        "name", ["state", "redirect_uri", "code_challenge", "client_id", "response_type", "nonce", "request_uri"]
    )
    def test_extra_authorize_parameters_leave_the_protocol_alone(self, name: str) -> None:
        with pytest.raises(ConfigurationError, match=f"extra_authorize_params may not set {name}"):
            client_of(Provider(), extra_authorize_params={name: "x"})

    @pytest.mark.parametrize(
        "name", ["grant_type", "code", "code_verifier", "client_secret", "refresh_token", "client_assertion"]
    )
    def test_extra_token_parameters_leave_the_protocol_alone(self, name: str) -> None:
        with pytest.raises(ConfigurationError, match=f"extra_token_params may not set {name}"):
            client_of(Provider(), extra_token_params={name: "x"})

    def test_all_clashing_parameters_are_named(self) -> None:
        with pytest.raises(ConfigurationError, match="code_challenge, state"):
            client_of(Provider(), extra_authorize_params={"state": "x", "code_challenge": "y", "prompt": "login"})

    def test_query_of_the_endpoint_leaves_the_protocol_alone(self) -> None:
        with pytest.raises(ConfigurationError, match="state"):
            client_of(Provider(), authorization_endpoint="https://login.example.com/authorize?state=x")

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"token_endpoint_auth_method": "client_secret_jwt"}, "client_secret_jwt"),
            ({"token_endpoint_auth_method": "client_secret_basic", "client_secret": None}, "needs a client secret"),
            ({"token_endpoint_auth_method": "client_secret_post", "client_secret": ""}, "needs a client secret"),
            ({"token_endpoint_auth_method": "private_key_jwt"}, "needs a private key"),
            ({"token_endpoint_auth_method": "private_key_jwt", "private_key": "nonsense"}, "neither a PEM nor a JWK"),
            (
                {"token_endpoint_auth_method": "private_key_jwt", "private_key": {"kty": "oct", "k": "c2VjcmV0"}},
                "neither a PEM nor a JWK",
            ),
        ],
    )
    def test_credentials_have_to_fit_the_method(self, options: dict[str, object], message: str) -> None:
        with pytest.raises(ConfigurationError, match=message):
            client_of(Provider(), **options)

    def test_secrets_are_not_shown(self) -> None:
        assert SECRET not in repr(client_of(Provider()).credentials)


async def exchange(upstream: UpstreamClient) -> None:
    await upstream.exchange(code="the-code", redirect_uri="https://hall.example/cb", code_verifier="the-verifier")


class TestAuthentication:
    async def test_basic_is_usual_with_a_secret_and_form_encodes_both_parts(self) -> None:
        provider = Provider()
        await exchange(client_of(provider, client_id="id:with%", client_secret="päss wörd+/:"))
        scheme, _, credentials = provider.requests[0].headers["authorization"].partition(" ")
        assert (scheme, base64.b64decode(credentials)) == ("Basic", b"id%3Awith%25:p%C3%A4ss+w%C3%B6rd%2B%2F%3A")
        assert not {"client_id", "client_secret"} & provider.form.keys()

    async def test_post(self) -> None:
        provider = Provider()
        await exchange(client_of(provider, token_endpoint_auth_method="client_secret_post"))
        assert (provider.form["client_id"], provider.form["client_secret"]) == ("our-id", SECRET)
        assert "authorization" not in provider.requests[0].headers

    @pytest.mark.parametrize("options", [{"client_secret": None}, {"token_endpoint_auth_method": "none"}])
    async def test_none_is_usual_without_a_secret(self, options: dict[str, object]) -> None:
        provider = Provider()
        await exchange(client_of(provider, **options))
        assert provider.form["client_id"] == "our-id"
        assert "client_secret" not in provider.form
        assert "authorization" not in provider.requests[0].headers

    @pytest.mark.parametrize("key", ["RS256", "ES256", "ES384", "EdDSA"])
    async def test_private_key_in_pem(self, key: str) -> None:
        private = {
            "RS256": lambda: rsa.generate_private_key(65537, 2048),
            "ES256": lambda: ec.generate_private_key(ec.SECP256R1()),
            "ES384": lambda: ec.generate_private_key(ec.SECP384R1()),
            "EdDSA": ed25519.Ed25519PrivateKey.generate,
        }[key]()
        pem = private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        public = private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        provider, clock = Provider(), FakeClock()
        upstream = client_of(provider, clock, client_secret=None, private_key=pem)
        await exchange(upstream)
        first = provider.form
        header, claims = decode(first["client_assertion"], JWTKeySet.from_pem(public), algorithms=ASYMMETRIC_ALGORITHMS)
        assert header["alg"] == key
        assert claims.pop("jti")
        assert claims == {
            "iss": "our-id",
            "sub": "our-id",
            "aud": "https://login.example.com/token",
            "iat": int(clock.now()),
            "exp": int(clock.now()) + 60,
        }
        assert first["client_assertion_type"] == "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
        assert "client_secret" not in first
        await exchange(upstream)
        assert provider.form["client_assertion"] != first["client_assertion"]

    async def test_private_key_as_jwk_says_its_id_and_algorithm(self) -> None:
        numbers = ec.generate_private_key(ec.SECP256R1()).private_numbers()

        def coordinate(value: int) -> str:
            return base64.urlsafe_b64encode(value.to_bytes(32)).rstrip(b"=").decode()

        public = {
            "kty": "EC",
            "crv": "P-256",
            "x": coordinate(numbers.public_numbers.x),
            "y": coordinate(numbers.public_numbers.y),
            "kid": "key-1",
            "alg": "ES256",
        }
        provider = Provider()
        await exchange(client_of(provider, client_secret=None, private_key={**public, "d": coordinate(numbers.private_value)}))
        keys = JWTKeySet.from_jwks({"keys": [public]})
        header, _ = decode(provider.form["client_assertion"], keys, algorithms=["ES256"])
        assert header["kid"] == "key-1"


class TestExchange:
    async def test_sends_what_the_protocol_wants(self) -> None:
        provider = Provider()
        await client_of(provider, extra_token_params={"audience": "api"}).exchange(
            code="the-code",
            redirect_uri="https://hall.example/cb",
            code_verifier="the-verifier",
            resource="https://api.example.com",
            scopes=["a", "b"],
        )
        assert provider.form == {
            "grant_type": "authorization_code",
            "code": "the-code",
            "redirect_uri": "https://hall.example/cb",
            "code_verifier": "the-verifier",
            "resource": "https://api.example.com",
            "scope": "a b",
            "audience": "api",
        }
        assert provider.requests[0].headers["accept"] == "application/json"

    async def test_reads_everything(self) -> None:
        clock = FakeClock()
        answer = {**TOKENS, "refresh_token": "r", "refresh_expires_in": 7200, "scope": "a b a", "id_token": "i", "more": 1}
        upstream = client_of(Provider(httpx2.Response(200, json=answer)), clock)
        tokens = await upstream.exchange(code="c", redirect_uri="https://hall.example/cb")
        assert (tokens.access_token, tokens.token_type, tokens.refresh_token, tokens.id_token) == (
            "the-access-token",
            "Bearer",
            "r",
            "i",
        )
        assert (tokens.expires_at, tokens.refresh_expires_at) == (clock.now() + 3600, clock.now() + 7200)
        assert (tokens.scope, tokens.raw) == (("a", "b"), answer)
        assert "the-access-token" not in repr(tokens)

    @pytest.mark.parametrize(
        ("changes", "name", "expected"),
        [
            ({"expires_in": "3600"}, "expires_at", 3600.0),
            ({"expires_in": 0}, "expires_at", None),
            ({"expires_in": -1}, "expires_at", None),
            ({"expires_in": True}, "expires_at", None),
            ({"expires_in": "soon"}, "expires_at", None),
            ({"expires_in": 1e300}, "expires_at", None),
            ({"expires_in": None}, "expires_at", None),
            ({"refresh_expires_in": 0}, "refresh_expires_at", None),
            ({"refresh_token_expires_in": 60}, "refresh_expires_at", 60.0),
            ({"refresh_token": ""}, "refresh_token", None),
            ({"refresh_token": 7}, "refresh_token", None),
            ({}, "scope", None),
            ({"scope": ""}, "scope", ()),
            ({"scope": "repo,gist"}, "scope", ("repo", "gist")),
            ({"scope": ["a", "b"]}, "scope", ("a", "b")),
            ({"token_type": "bearer"}, "token_type", "Bearer"),
            ({"token_type": None}, "token_type", "Bearer"),
        ],
    )
    async def test_reads_what_providers_make_of_it(self, changes: dict[str, object], name: str, expected: object) -> None:
        clock = FakeClock(start=0.0)
        upstream = client_of(Provider(httpx2.Response(200, json={**TOKENS, **changes})), clock)
        assert getattr(await upstream.exchange(code="c", redirect_uri="https://hall.example/cb"), name) == expected

    @pytest.mark.parametrize(
        "answer",
        [
            httpx2.Response(200, text="<html>"),
            httpx2.Response(200, json=[]),
            httpx2.Response(204),
            httpx2.Response(200, json={"token_type": "Bearer"}),
            httpx2.Response(200, json={**TOKENS, "access_token": ""}),
            httpx2.Response(200, json={**TOKENS, "access_token": 5}),
            httpx2.Response(200, json={**TOKENS, "access_token": "two\nlines"}),
            httpx2.Response(200, content=b'{"access_token": "\\ud800"}'),
            httpx2.Response(200, json={**TOKENS, "refresh_token": "\u00e4"}),
            httpx2.Response(200, json={**TOKENS, "token_type": "DPoP"}),
            httpx2.Response(200, json={**TOKENS, "token_type": 1}),
            httpx2.Response(302, headers={"location": "https://evil.example"}),
        ],
    )
    async def test_useless_answer_is_the_operators_matter_and_ends_nothing(self, answer: httpx2.Response) -> None:
        with pytest.raises(UpstreamMisconfigured):
            await exchange(client_of(Provider(answer)))


class TestRefresh:
    async def test_sends_what_the_protocol_wants(self) -> None:
        provider = Provider()
        await client_of(provider).refresh("old", scopes=["a"], resource="https://api.example.com")
        assert provider.form == {
            "grant_type": "refresh_token",
            "refresh_token": "old",
            "scope": "a",
            "resource": "https://api.example.com",
        }

    async def test_missing_refresh_token_means_that_the_old_one_goes_on(self) -> None:
        assert (await client_of(Provider()).refresh("old")).refresh_token == "old"

    async def test_new_refresh_token_replaces_the_old_one(self) -> None:
        answer = httpx2.Response(200, json={**TOKENS, "refresh_token": "new"})
        assert (await client_of(Provider(answer)).refresh("old")).refresh_token == "new"


class TestTroubleIsToldApart:
    """What will pass, what is over for the user, and what only the operator can mend."""

    async def refuse(self, status: int, body: object, **headers: str) -> Exception:
        answer = httpx2.Response(status, content=json.dumps(body), headers=headers)
        with pytest.raises((Unavailable, UpstreamRefused)) as refusal:
            await client_of(Provider(answer)).refresh("the-refresh-token")
        return refusal.value

    @pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504, 520])
    @pytest.mark.parametrize("body", [{}, {"error": "invalid_grant"}, "<html>"])
    async def test_transient_by_status_whatever_the_body(self, status: int, body: object) -> None:
        assert isinstance(await self.refuse(status, body), Unavailable)

    @pytest.mark.parametrize("error", ["temporarily_unavailable", "server_error", "rate_limit_exceeded"])
    @pytest.mark.parametrize("status", [200, 400, 401])
    async def test_transient_by_code(self, error: str, status: int) -> None:
        assert isinstance(await self.refuse(status, {"error": error}), Unavailable)

    @pytest.mark.parametrize(
        ("header", "seconds"),
        [("17", 17), ("0", 1), ("86400", 300), ("Wed, 21 Oct 2026 07:28:00 GMT", 5), ("-1", 5), ("9" * 400, 5), ("²", 5)],
    )
    async def test_retry_after(self, header: str, seconds: int) -> None:
        answer = httpx2.Response(503, headers=[(b"retry-after", header.encode("latin-1"))])
        with pytest.raises(Unavailable) as trouble:
            await client_of(Provider(answer)).refresh("r")
        assert trouble.value.retry_after == seconds

    async def test_no_connection(self) -> None:
        def fail(request: httpx2.Request) -> httpx2.Response:
            raise httpx2.ConnectError("refused")

        with pytest.raises(Unavailable):
            await client_of(fail).refresh("r")

    @pytest.mark.parametrize("error", ["invalid_grant", "interaction_required", "bad_verification_code", "access_denied"])
    @pytest.mark.parametrize("status", [200, 400, 401, 403])
    async def test_dead(self, error: str, status: int) -> None:
        refusal = await self.refuse(status, {"error": error})
        assert type(refusal) is UpstreamRefused
        assert refusal.error == error

    @pytest.mark.parametrize(
        ("status", "body", "reason"),
        [
            (401, {"error": "invalid_client"}, "upstream_credentials"),
            (400, {"error": "unauthorized_client"}, "upstream_credentials"),
            (200, {"error": "incorrect_client_credentials"}, "upstream_credentials"),
            (401, "<html>", "upstream_credentials"),
            (400, {"error": "redirect_uri_mismatch"}, "upstream_error"),
            (400, {"error": "unsupported_grant_type"}, "upstream_error"),
            (400, {"error": "invalid_target"}, "upstream_error"),
            (400, {"error": "invalid_request"}, "upstream_error"),
            (400, {"error": "never_heard_of"}, "upstream_error"),
            (400, {"error": {"message": "an object"}}, "upstream_error"),
            (400, {"error": None}, "upstream_error"),
            (404, "<html>", "upstream_error"),
        ],
    )
    async def test_misconfigured(self, status: int, body: object, reason: str) -> None:
        refusal = await self.refuse(status, body)
        assert isinstance(refusal, UpstreamMisconfigured)
        assert refusal.reason.code == reason

    async def test_description_is_for_the_log_without_secrets_and_in_one_line(self) -> None:
        description = f"AADSTS70008: the-refresh-token of {SECRET}\nhas expired\x1b[31m" + "x" * 1000
        refusal = await self.refuse(400, {"error": "invalid_grant", "error_description": description})
        text = str(refusal)
        assert "AADSTS70008" in text
        assert "the-refresh-token" not in text
        assert SECRET not in text
        assert text.isprintable()
        assert len(text) < 400


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
MEMBERS = st.sampled_from(
    [
        "access_token",
        "token_type",
        "expires_in",
        "refresh_token",
        "refresh_expires_in",
        "scope",
        "id_token",
        "error",
        "error_description",
    ]
)


@given(
    status=st.integers(100, 599), members=st.dictionaries(MEMBERS, VALUES), good=st.booleans(), retry_after=st.text(max_size=8)
)
def test_whatever_comes_is_tokens_or_one_of_the_three(
    status: int, members: dict[str, object], good: bool, retry_after: str
) -> None:
    body = json.dumps({**(TOKENS if good else {}), **members}).encode()
    outcome: object
    try:
        outcome = read_tokens(FetchResult(status, {"retry-after": retry_after}, body), now=0.0)
    except (Unavailable, UpstreamRefused) as refusal:
        outcome = refusal
    match outcome:
        case Unavailable():
            assert 1 <= outcome.retry_after <= 300
        case UpstreamRefused():
            assert outcome.error.isascii()
        case UpstreamTokens():
            assert 200 <= status < 300
            assert "error" not in members
            assert outcome.access_token.isprintable()
            assert outcome.expires_at is None or outcome.expires_at > 0


class TestRevoke:
    async def test_sends_what_the_protocol_wants(self) -> None:
        provider = Provider(httpx2.Response(200))
        await client_of(provider).revoke("the-token", "refresh_token")
        assert str(provider.requests[0].url) == "https://login.example.com/revoke"
        assert provider.form == {"token": "the-token", "token_type_hint": "refresh_token"}
        assert "authorization" in provider.requests[0].headers

    async def test_without_an_endpoint_nothing_happens(self) -> None:
        provider = Provider()
        await client_of(provider, revocation_endpoint=None).revoke("t", "access_token")
        assert provider.requests == []

    @pytest.mark.parametrize("error", ["invalid_grant", "invalid_token", "unsupported_token_type"])
    async def test_unknown_token_is_as_good_as_revoked(self, error: str) -> None:
        provider = Provider(httpx2.Response(400, json={"error": error}))
        await client_of(provider).revoke("t", "access_token")
        assert len(provider.requests) == 1

    async def test_failures_are_told(self) -> None:
        with pytest.raises(Unavailable):
            await client_of(Provider(httpx2.Response(503))).revoke("t", "access_token")
        with pytest.raises(UpstreamMisconfigured):
            await client_of(Provider(httpx2.Response(401, json={"error": "invalid_client"}))).revoke("t", "access_token")
