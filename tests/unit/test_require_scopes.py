"""require_scopes as a check of its own, where no guard has looked before."""

from __future__ import annotations

from contextvars import copy_context
from types import SimpleNamespace

import pytest

from vestibule import AccessToken, require_scopes
from vestibule.errors import ConfigurationError
from vestibule.resource.component_scopes import noted_scopes


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


def test_what_a_component_needs_can_be_asked_beforehand() -> None:
    with noted_scopes() as noted:
        assert require_scopes("read", "write")(context())
        assert require_scopes("write", "admin")(context())
    assert list(noted) == ["read", "write", "admin"]


def test_a_task_that_was_started_while_asking_is_checked_for_real_afterwards() -> None:
    with noted_scopes():
        started_within = copy_context()
    assert not started_within.run(require_scopes("read"), context())
