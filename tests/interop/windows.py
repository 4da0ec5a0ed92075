"""A real browser's windows, and a desktop app that waits for its answer. Pictures are kept in artifacts/browser."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

from playwright.sync_api import BrowserContext, Page
from tests.interop.peers import REPOSITORY, IdentityProvider

PICTURES = REPOSITORY / "artifacts" / "browser"


class App:
    """A desktop client that waits on a loopback port."""

    def __init__(self) -> None:
        visits = self.visits = []  # type: list[str]

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                if "?" in self.path:
                    visits.append(self.path)
                self.send_response(200)
                self.end_headers()
                self.wfile.write(b"<!doctype html><title>App</title><p id=done>You can close this window.")

            def log_message(self, *_args: object) -> None:
                """Stay quiet."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.redirect_uri = f"http://127.0.0.1:{self._server.server_port}/callback"

    @contextmanager
    def running(self) -> Iterator[App]:
        """Listen until the block ends."""
        thread = Thread(target=self._server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield self
        finally:
            self._server.shutdown()
            thread.join()
            self._server.server_close()


class Window:
    """One browser window: its page, what it complained about, and where it was asked to go."""

    def __init__(self, context: BrowserContext, name: str) -> None:
        self.page: Page = context.new_page()
        self.complaints: list[str] = []
        self.navigations: list[str] = []
        self._name, self._pictures = name, 0
        self.page.on("console", lambda message: self.complaints.append(message.text) if message.type == "error" else None)
        devtools = context.new_cdp_session(self.page)
        devtools.send("Page.enable")
        devtools.on("Page.frameRequestedNavigation", lambda event: self.navigations.append(event["url"]))

    def picture(self, what: str) -> None:
        """Keep what is to be seen."""
        self._pictures += 1
        PICTURES.mkdir(parents=True, exist_ok=True)
        self.page.screenshot(path=PICTURES / f"{self._name}-{self._pictures}-{what}.png", full_page=True)

    def wait_for(self, selector: str) -> None:
        """Until the page, or one that it goes on to, has such an element.

        Waiting for a function would not do: the browser evaluates it anew in each page, and ours forbid that.
        """
        self.page.locator(selector).first.wait_for(state="attached")

    def open_consent(self, url: str) -> str:
        """Go to the consent page; returns what it says."""
        self.page.goto(url)
        self.page.wait_for_selector('button[name="action"][value="approve"]')
        self.picture("consent")
        return self.page.inner_text("body")

    def decide(self, action: str) -> None:
        """Press Allow or Deny."""
        self.page.click(f'button[name="action"][value="{action}"]')

    def sign_in(self, provider: IdentityProvider, name: str = "alice") -> None:
        """Type a name at the provider and share what it asks for."""
        self.page.wait_for_url(f"{provider.issuer}/interaction/*")
        self.picture("sign-in")
        self.page.fill('input[name="login"]', name)
        self.page.click("#submit")
        self.share(provider)

    def share(self, provider: IdentityProvider) -> None:
        """The provider's own consent."""
        self.wait_for("body:not(:has(input[name=login]))")
        if self.page.url.startswith(provider.issuer):
            self.page.click("#submit")

    def wait_for_the_app(self, app: App, visits: int = 1) -> str:
        """Wait until the app was called so often; returns the address."""
        self.page.wait_for_selector("#done")
        assert len(app.visits) == visits
        return self.page.url

    def wait_for_navigation_to(self, start: str) -> str:
        """Wait until a page asked the browser to go to an address that starts so."""
        for _ in range(100):
            for url in self.navigations:
                if url.startswith(start):
                    return url
            self.page.wait_for_timeout(50)
        raise AssertionError(
            f"not sent to {start}, but {self.navigations}; now {self.page.url}: {self.page.inner_text('body')}"
        )
