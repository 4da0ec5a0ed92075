"""Every known client, as it was seen to behave, before a bridge to an OpenID provider and one to a plain OAuth 2.0 provider."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest
from tests.clients import hosted, terminal, windowed
from tests.clients.replay import ClientsWeb, Replayer
from tests.clients.transcript import Transcript
from tests.flows.conftest import SetStage
from tests.flows.conftest import staged as staged
from tests.flows.stage import KnownProxy

from vestibule import OAuthProxy
from vestibule.verifiers.introspection import IntrospectionTokenVerifier

pytestmark = pytest.mark.anyio

TRANSCRIPTS = (*hosted.TRANSCRIPTS, *terminal.TRANSCRIPTS, *windowed.TRANSCRIPTS)


def plain_bridge(document: Mapping[str, Any], **options: Any) -> OAuthProxy:
    """A bridge to the same provider as one without OpenID: opaque tokens, about which it is asked."""
    client_id, client_secret = options.pop("client_id"), options.pop("client_secret")
    del options["config_url"]
    return OAuthProxy(
        upstream_authorization_endpoint=document["authorization_endpoint"],
        upstream_token_endpoint=document["token_endpoint"],
        upstream_revocation_endpoint=document["revocation_endpoint"],
        upstream_client_id=client_id,
        upstream_client_secret=client_secret,
        token_verifier=IntrospectionTokenVerifier(
            introspection_url=document["introspection_endpoint"],
            client_id=client_id,
            client_secret=client_secret,
            required_scopes=options.pop("required_scopes", ["openid"]),
            http_client=options["http_client"],
            clock=options["clock"],
        ),
        **options,
    )


@pytest.mark.spec("RS-01", "RS-03", "RS-32", "PRM-01", "PRM-02", "PRM-03", "PRM-04", "PRM-08")
@pytest.mark.spec("ASM-01", "ASM-04", "ASM-09", "ASM-10", "ASM-13", "AZ-02", "AZ-03", "AZ-04", "AZ-16", "AZ-18", "AZ-20")
@pytest.mark.spec(
    "TK-01", "TK-02", "TK-03", "TK-04", "TK-10", "TK-17", "TK-19", "TK-20", "TK-26", "TK-28", "RF-06", "RF-07", "RF-08"
)
@pytest.mark.spec("DCR-01", "DCR-03", "DCR-07", "DCR-10", "CI-11", "PX-05")
@pytest.mark.parametrize(("bridge", "tokens"), [(KnownProxy, "jwt"), (plain_bridge, "opaque")], ids=["OIDCProxy", "OAuthProxy"])
@pytest.mark.parametrize("transcript", TRANSCRIPTS, ids=[transcript.client for transcript in TRANSCRIPTS])
async def test_the_client_gets_what_it_needs(
    transcript: Transcript,
    bridge: Callable[..., Any],
    tokens: str,
    staged: SetStage,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    web = ClientsWeb(monkeypatch)
    stage = await staged(bridge=bridge, path=transcript.path, provider={"access_token_format": tokens}, **transcript.server)
    await Replayer(transcript, stage, web).run()


def test_no_client_is_written_down_twice() -> None:
    assert len({transcript.client for transcript in TRANSCRIPTS}) == len(TRANSCRIPTS)
