"""Fixtures for the real peers. What cannot be installed skips with its reason; where CI is set, it fails."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, sync_playwright
from tests.interop import setup
from tests.interop.canaille import canaille
from tests.interop.peers import IdentityProvider, ProtectedServer, panva, protected
from tests.interop.windows import App, Window


def installed(part: Callable[[], Path]) -> Path:
    """A peer, or a skip (in CI: a failure) that says why it is missing."""
    try:
        return part()
    except setup.NotInstalled as missing:
        if setup.required():
            pytest.fail(str(missing))
        pytest.skip(str(missing))


@pytest.fixture(scope="session")
def node_modules() -> Path:
    """Node 22 with its peers."""
    return installed(setup.node_modules)


@pytest.fixture(scope="session")
def chromium_path() -> Path:
    """The browser's program."""
    return installed(setup.chromium)


@pytest.fixture(scope="session")
def panva_provider(node_modules: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[IdentityProvider]:
    """A running ``oidc-provider`` that gives refresh tokens without being asked twice."""
    with panva(tmp_path_factory.mktemp("panva")) as provider:
        yield provider


@pytest.fixture(scope="session")
def canaille_provider(tmp_path_factory: pytest.TempPathFactory) -> Iterator[IdentityProvider]:
    """A running Canaille."""
    installed(setup.canaille)
    with canaille(tmp_path_factory.mktemp("canaille")) as provider:
        yield provider


@pytest.fixture(scope="session")
def server(panva_provider: IdentityProvider, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ProtectedServer]:
    """A protected server with default options, for tests that only talk to it."""
    with protected(panva_provider, tmp_path_factory.mktemp("server")) as running:
        yield running


@pytest.fixture
def protect(tmp_path: Path) -> Iterator[Callable[..., ProtectedServer]]:
    """Starts further protected servers: ``protect(provider, path="/", **options)``."""
    with ExitStack() as stack:

        def start(provider: IdentityProvider, **options: Any) -> ProtectedServer:
            return stack.enter_context(protected(provider, tmp_path, **options))

        yield start


@pytest.fixture(scope="module")
def browser(chromium_path: Path) -> Iterator[Browser]:
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=chromium_path, args=["--no-sandbox"])
        yield running
        running.close()


@pytest.fixture
def window(browser: Browser, request: pytest.FixtureRequest) -> Iterator[Callable[..., Window]]:
    """Opens windows of one browser profile: ``window(color_scheme="dark")``."""
    contexts: list[BrowserContext] = []

    def open_window(**options: Any) -> Window:
        if options or not contexts:
            contexts.append(browser.new_context(**options))
        return Window(contexts[-1], request.node.name.replace("test_", ""))

    yield open_window
    for context in contexts:
        context.close()


@pytest.fixture
def app() -> Iterator[App]:
    with App().running() as running:
        yield running
