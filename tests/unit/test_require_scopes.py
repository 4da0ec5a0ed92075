"""require_scopes as a check of its own, where no guard has looked before."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from vestibule import AccessToken, require_scopes
from vestibule.errors import ConfigurationError


def context(*scopes: str) -> SimpleNamespace:
    return SimpleNamespace(token=AccessToken(token="t", client_id="c", scopes=list(scopes)))


def test_every_scope_is_needed() -> None:
    check = require_scopes("read", "write")
    assert check(context("write", "read", "more"))
    assert not check(context("read"))
    assert not check(context())


def test_without_a_token_the_answer_is_no() -> None:
    assert not require_scopes("read")(SimpleNamespace(token=None))


@pytest.mark.parametrize("scopes", [(), ("",), (["read"],)])
def test_no_scope_is_a_mistake_and_not_a_free_pass(scopes: tuple[str, ...]) -> None:
    with pytest.raises(ConfigurationError):
        require_scopes(*scopes)
