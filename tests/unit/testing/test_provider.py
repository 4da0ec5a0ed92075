"""The development provider, through HTTP, as our own upstream client sees it and as a browser does."""

from urllib.parse import parse_qs, urlsplit

import httpx2
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from vestibule.errors import ConfigurationError, Unavailable, UpstreamMisconfigured, UpstreamRefused
from vestibule.keys.jwt import JWTKeySet, decode, peek_header
from vestibule.net.trusted import TrustedClient
from vestibule.protocol.pkce import challenge_for, new_verifier
from vestibule.testing import DevelopmentProvider, FakeClock, ProviderClient, ScriptedUser
from vestibule.testing.user import web_client
from vestibule.upstream.client import UpstreamClient, UpstreamTokens
from vestibule.upstream.discovery import OIDCConfiguration
from vestibule.upstream.identity import check_id_token

pytestmark = pytest.mark.anyio

BACK = "http://127.0.0.1:8000/auth/callback"


class Setup:
    """A provider, a client of it and a user, all in this process."""

    def __init__(self, **options: object) -> None:
        self.clock = FakeClock()
        self.provider = DevelopmentProvider(clock=self.clock, **options)  # type: ignore[arg-type]
        apps = {self.provider.issuer: self.provider.app}
        self.http = web_client(apps)
        self.user = ScriptedUser(apps=apps)
        self.upstream = self.client(client_secret=self.provider.client_secret)

    def client(self, **options: object) -> UpstreamClient:
        issuer = self.provider.issuer
        settings: dict[str, object] = {
            "authorization_endpoint": f"{issuer}/authorize",
            "token_endpoint": f"{issuer}/token",
            "revocation_endpoint": f"{issuer}/revoke",
            "client_id": self.provider.client_id,
            **options,
        }
        return UpstreamClient(**settings, http=TrustedClient(self.http, clock=self.clock), clock=self.clock)  # type: ignore[arg-type]

    async def answer(self, upstream: UpstreamClient | None = None, **request: object) -> dict[str, str]:
        """The parameters that come back from the authorization endpoint."""
        parameters = {"redirect_uri": BACK, "state": "s", "scopes": ("openid",), "nonce": "n", **request}
        url = (upstream or self.upstream).authorization_url(**parameters)  # type: ignore[arg-type]
        return {name: values[0] for name, values in parse_qs(urlsplit(await self.user.visit(url, BACK)).query).items()}

    async def sign_in(self, upstream: UpstreamClient | None = None, **request: object) -> UpstreamTokens:
        verifier = new_verifier()
        answer = await self.answer(upstream, code_challenge=challenge_for(verifier), **request)
        return await (upstream or self.upstream).exchange(code=answer["code"], redirect_uri=BACK, code_verifier=verifier)

    async def keys(self) -> JWTKeySet:
        return JWTKeySet.from_jwks((await self.http.get(f"{self.provider.issuer}/jwks")).json())

    async def subject(self, tokens: UpstreamTokens, nonce: str | None = "n") -> str:
        return check_id_token(
            tokens.id_token or "",
            keys=await self.keys(),
            issuer=self.provider.issuer,
            client_id=self.provider.client_id,
            nonce=nonce,
            now=self.clock.now(),
            algorithms=("RS256", "ES256"),
        ).subject


@pytest.fixture
def setup() -> Setup:
    return Setup()


async def test_whole_sign_in_gives_tokens_that_hold(setup: Setup) -> None:
    tokens = await setup.sign_in()
    assert await setup.subject(tokens) == "alice"
    assert tokens.expires_at == setup.clock.now() + 3600
    assert (peek_header(tokens.access_token) or {})["typ"] == "at+jwt"


async def test_es256_keys() -> None:
    setup = Setup(algorithm="ES256")
    assert await setup.subject(await setup.sign_in()) == "alice"


@pytest.mark.parametrize("name", ["resource", "audience"])
async def test_audience_is_the_one_that_was_asked_for(setup: Setup, name: str) -> None:
    upstream = setup.client(
        client_secret=setup.provider.client_secret, extra_authorize_params={name: "https://api.example.com"}
    )
    tokens = await setup.sign_in(upstream)
    _, claims = decode(tokens.access_token, await setup.keys(), algorithms=("RS256",))
    assert claims["aud"] == "https://api.example.com"


async def test_session_sticks_until_prompt_asks_otherwise(setup: Setup) -> None:
    await setup.answer()
    seen = len(setup.user.pages)
    setup.user.name = "bob"
    assert await setup.subject(await setup.sign_in()) == "alice"
    assert len(setup.user.pages) == seen
    assert await setup.subject(await setup.sign_in(forwarded={"prompt": "login"})) == "bob"


async def test_prompt_none_without_a_session(setup: Setup) -> None:
    assert (await setup.answer(forwarded={"prompt": "none"}))["error"] == "login_required"


async def test_auto_approval_shows_no_page() -> None:
    setup = Setup(auto_approve_as="bob")
    assert await setup.subject(await setup.sign_in()) == "bob"
    assert setup.user.pages == []


async def test_user_may_cancel(setup: Setup) -> None:
    setup.user.name = "nobody"
    setup.user.decision = "deny"
    answer = await setup.answer()
    assert (answer["error"], answer["state"], answer["iss"]) == ("access_denied", "s", setup.provider.issuer)


async def test_code_is_good_once_and_its_replay_ends_the_session(setup: Setup) -> None:
    answer = await setup.answer()
    tokens = await setup.upstream.exchange(code=answer["code"], redirect_uri=BACK)
    with pytest.raises(UpstreamRefused):
        await setup.upstream.exchange(code=answer["code"], redirect_uri=BACK)
    with pytest.raises(UpstreamRefused):
        await setup.upstream.refresh(tokens.refresh_token or "")


async def test_code_ends_after_a_minute(setup: Setup) -> None:
    answer = await setup.answer()
    setup.clock.advance(61)
    with pytest.raises(UpstreamRefused):
        await setup.upstream.exchange(code=answer["code"], redirect_uri=BACK)


@pytest.mark.parametrize("verifier", [None, new_verifier()])
async def test_verifier_has_to_fit(setup: Setup, verifier: str | None) -> None:
    answer = await setup.answer(code_challenge=challenge_for(new_verifier()))
    with pytest.raises(UpstreamRefused):
        await setup.upstream.exchange(code=answer["code"], redirect_uri=BACK, code_verifier=verifier)


async def test_verifier_without_a_challenge_is_refused(setup: Setup) -> None:
    answer = await setup.answer()
    with pytest.raises(UpstreamRefused):
        await setup.upstream.exchange(code=answer["code"], redirect_uri=BACK, code_verifier=new_verifier())


async def test_code_of_another_redirect_uri_is_refused(setup: Setup) -> None:
    answer = await setup.answer()
    with pytest.raises(UpstreamRefused):
        await setup.upstream.exchange(code=answer["code"], redirect_uri=BACK + "/other")


async def test_refresh_tokens_rotate_and_a_spent_one_ends_the_session(setup: Setup) -> None:
    first = await setup.sign_in()
    second = await setup.upstream.refresh(first.refresh_token or "")
    assert second.refresh_token != first.refresh_token
    with pytest.raises(UpstreamRefused) as refusal:
        await setup.upstream.refresh(first.refresh_token or "")
    assert refusal.value.error == "invalid_grant"
    with pytest.raises(UpstreamRefused):
        await setup.upstream.refresh(second.refresh_token or "")


async def test_refresh_tokens_can_be_off() -> None:
    assert (await Setup(refresh_tokens=False).sign_in()).refresh_token is None


async def test_left_out_refresh_token_means_that_the_old_one_stays_good(setup: Setup) -> None:
    first = await setup.sign_in()
    setup.provider.faults.no_refresh_token()
    second = await setup.upstream.refresh(first.refresh_token or "")
    assert "refresh_token" not in second.raw
    third = await setup.upstream.refresh(second.refresh_token or "")
    assert third.access_token != second.access_token


async def test_wrong_secret_is_refused(setup: Setup) -> None:
    with pytest.raises(UpstreamMisconfigured) as refusal:
        await setup.sign_in(setup.client(client_secret="wrong"))
    assert refusal.value.error == "invalid_client"


async def test_public_client_needs_no_secret() -> None:
    setup = Setup(clients=[ProviderClient("public")])
    assert await setup.subject(await setup.sign_in(setup.client())) == "alice"


async def test_private_key_instead_of_a_secret_and_each_assertion_once() -> None:
    private = ec.generate_private_key(ec.SECP256R1())
    public = private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    setup = Setup(clients=[ProviderClient("app", public_key=public)])
    pem = private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    assert await setup.subject(await setup.sign_in(setup.client(private_key=pem))) == "alice"
    form = setup.provider.requests_to("token")[0].parameters
    replay = await setup.http.post(f"{setup.provider.issuer}/token", data=form)
    assert (replay.status_code, replay.json()["error"]) == (401, "invalid_client")
    assert "used before" in replay.json()["error_description"]


async def test_private_key_of_somebody_else_is_refused() -> None:
    public = ec.generate_private_key(ec.SECP256R1()).public_key()
    client = ProviderClient("app", public_key=public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    setup = Setup(clients=[client])
    other = ec.generate_private_key(ec.SECP256R1()).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    with pytest.raises(UpstreamMisconfigured, match="token_signature"):
        await setup.sign_in(setup.client(private_key=other))


async def test_redirect_uri_that_is_not_set_up_gets_no_redirect() -> None:
    setup = Setup(clients=[ProviderClient("app", "secret", redirect_uris=("https://app.example.com/back",))])
    url = setup.upstream.authorization_url(redirect_uri=BACK, state="s", scopes=(), nonce="n")
    assert (await setup.http.get(url)).status_code == 400


@pytest.mark.parametrize(("option", "missing"), [("require_nonce", "nonce"), ("require_pkce", "code_challenge")])
async def test_demanding_providers_can_be_played(option: str, missing: str) -> None:
    setup = Setup(**{option: True})
    answer = await setup.answer(nonce="")
    assert answer["error"] == "invalid_request"
    assert missing in answer["error_description"]


@pytest.mark.parametrize("kind", ["jwt", "opaque"])
async def test_userinfo_and_introspection_know_the_token_until_it_ends(kind: str) -> None:
    setup = Setup(access_token_format=kind)
    tokens = await setup.sign_in()
    assert (peek_header(tokens.access_token) is None) == (kind == "opaque")

    async def look() -> tuple[int, bool]:
        bearer = {"authorization": f"Bearer {tokens.access_token}"}
        userinfo = await setup.http.get(f"{setup.provider.issuer}/userinfo", headers=bearer)
        credentials = (setup.provider.client_id, setup.provider.client_secret or "")
        introspection = await setup.http.post(
            f"{setup.provider.issuer}/introspect", data={"token": tokens.access_token}, auth=credentials
        )
        return userinfo.status_code, introspection.json()["active"]

    assert await look() == (200, True)
    setup.provider.faults.user_disabled("alice")
    assert await look() == (401, False)
    setup.provider.faults.user_enabled("alice")
    await setup.upstream.revoke(tokens.refresh_token or "", "refresh_token")
    assert await look() == (401, False)


async def test_access_token_ends_in_time(setup: Setup) -> None:
    tokens = await setup.sign_in()
    setup.clock.advance(3601)
    bearer = {"authorization": f"Bearer {tokens.access_token}"}
    assert (await setup.http.get(f"{setup.provider.issuer}/userinfo", headers=bearer)).status_code == 401


async def test_userinfo_without_a_token_is_challenged_without_an_error(setup: Setup) -> None:
    answer = await setup.http.get(f"{setup.provider.issuer}/userinfo")
    assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer")


async def test_introspection_wants_client_authentication(setup: Setup) -> None:
    assert (await setup.http.post(f"{setup.provider.issuer}/introspect", data={"token": "x"})).status_code == 401


async def test_what_was_sent_can_be_looked_at(setup: Setup) -> None:
    await setup.sign_in(resource="https://api.example.com")
    assert setup.provider.requests_to("authorize")[0].parameters["nonce"] == "n"
    assert setup.provider.requests_to("token")[0].headers["authorization"].startswith("Basic ")
    assert "code_verifier" in setup.provider.requests_to("token")[0].parameters


class TestFaults:
    """Each order shows, once or as long as it was given for, and not beyond."""

    async def test_wrong_nonce(self, setup: Setup) -> None:
        setup.provider.faults.wrong_nonce()
        with pytest.raises(UpstreamRefused, match="nonce is another one"):
            await setup.subject(await setup.sign_in())
        assert await setup.subject(await setup.sign_in()) == "alice"

    async def test_expired_key(self, setup: Setup) -> None:
        setup.provider.faults.expired_key()
        with pytest.raises(UpstreamRefused, match="token_key_unknown"):
            await setup.subject(await setup.sign_in())
        assert await setup.subject(await setup.sign_in()) == "alice"

    @pytest.mark.parametrize("keep_old", [True, False])
    async def test_rotated_key(self, setup: Setup, keep_old: bool) -> None:
        before = await setup.keys()
        old = await setup.sign_in()
        setup.provider.faults.rotate_key(keep_old=keep_old)
        new = await setup.sign_in()
        assert await setup.subject(new) == "alice"
        assert not before.knows((peek_header(new.id_token or "") or {})["kid"])
        assert (await setup.keys()).knows((peek_header(old.id_token or "") or {})["kid"]) is keep_old

    async def test_claims_can_be_changed_and_left_out(self, setup: Setup) -> None:
        setup.provider.faults.id_token_claims(sub=None)
        with pytest.raises(UpstreamRefused, match="sub is missing"):
            await setup.subject(await setup.sign_in())

    async def test_no_id_token(self, setup: Setup) -> None:
        setup.provider.faults.no_id_token()
        assert (await setup.sign_in()).id_token is None

    async def test_server_failure_with_retry_after(self, setup: Setup) -> None:
        tokens = await setup.sign_in()
        setup.provider.faults.fail("token", status=503, retry_after=17)
        with pytest.raises(Unavailable) as trouble:
            await setup.upstream.refresh(tokens.refresh_token or "")
        assert trouble.value.retry_after == 17
        assert (await setup.upstream.refresh(tokens.refresh_token or "")).access_token

    async def test_slow_answers_take_their_time(self, setup: Setup) -> None:
        setup.provider.faults.slow(3, "jwks")
        before = setup.clock.now()
        await setup.keys()
        assert setup.clock.now() == before + 3

    async def test_ordered_errors_at_both_ends(self, setup: Setup) -> None:
        setup.provider.faults.error("authorize", "temporarily_unavailable")
        assert (await setup.answer())["error"] == "temporarily_unavailable"
        setup.provider.faults.error("token", "invalid_grant", times=None)
        for _ in range(2):
            with pytest.raises(UpstreamRefused):
                await setup.sign_in()
        setup.provider.faults.clear()
        assert (await setup.sign_in()).access_token

    async def test_garbage(self, setup: Setup) -> None:
        setup.provider.faults.garbage("token")
        with pytest.raises(UpstreamMisconfigured):
            await setup.sign_in()

    async def test_disabled_user_is_refused_everywhere(self, setup: Setup) -> None:
        tokens = await setup.sign_in()
        setup.provider.faults.user_disabled("alice")
        with pytest.raises(UpstreamRefused):
            await setup.upstream.refresh(tokens.refresh_token or "")
        assert (await setup.answer())["error"] == "access_denied"


class TestLoopbackOnly:
    """It believes everybody, so nobody but this machine may reach it."""

    @pytest.mark.parametrize(
        "url", ["https://login.example.com", "http://10.0.0.1:80", "http://0.0.0.0:9400", "http://[::]:1", ""]
    )
    async def test_public_base_url_is_refused(self, url: str) -> None:
        with pytest.raises(ConfigurationError, match="loopback"):
            DevelopmentProvider(base_url=url)

    @pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.2", "example.com"])
    async def test_public_address_is_refused(self, host: str) -> None:
        with pytest.raises(ConfigurationError, match="loopback"):
            DevelopmentProvider().start(host=host)

    async def test_requests_for_another_host_are_refused(self, setup: Setup) -> None:
        transport = httpx2.ASGITransport(app=setup.provider.app)
        async with httpx2.AsyncClient(transport=transport) as browser:
            assert (await browser.get("https://login.example.com/jwks")).status_code == 400
            assert (await browser.get("http://localhost:9400/jwks")).status_code == 200

    async def test_unknown_user_for_auto_approval(self) -> None:
        with pytest.raises(ConfigurationError, match="carol"):
            DevelopmentProvider(auto_approve_as="carol")


async def test_live_on_a_free_port_and_back_on_the_same() -> None:
    provider = DevelopmentProvider()
    with provider:
        configuration = OIDCConfiguration.get_oidc_configuration(provider.config_url)
        assert configuration.issuer == provider.issuer
        port = urlsplit(provider.issuer).port or 0
    with pytest.raises(Unavailable):
        OIDCConfiguration.get_oidc_configuration(provider.config_url, timeout_seconds=2)
    provider.start(port=port)
    try:
        assert OIDCConfiguration.get_oidc_configuration(provider.config_url).token_endpoint == configuration.token_endpoint
    finally:
        provider.stop()
