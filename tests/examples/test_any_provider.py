"""The example for any OpenID provider, started by its documented command and walked."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.examples.test_auth0 import EXAMPLES, served, tool_result
from tests.interop.processes import free_port

from vestibule.testing import DevelopmentProvider

pytestmark = pytest.mark.anyio


async def test_the_server_from_its_environment(tmp_path: Path) -> None:
    port = free_port()
    with DevelopmentProvider() as provider:
        given = {
            "VESTIBULE_OIDC_ISSUER": provider.issuer,
            "VESTIBULE_OIDC_CLIENT_ID": provider.client_id,
            "VESTIBULE_OIDC_CLIENT_SECRET": provider.client_secret or "",
            "VESTIBULE_OIDC_BASE_URL": f"http://localhost:{port}",
        }
        with served(EXAMPLES / "any_provider.py", tmp_path, port, **given) as url:
            result = await tool_result(url, "get_user_info")
        assert result["structuredContent"] == {"subject": "alice", "issuer": provider.issuer}
