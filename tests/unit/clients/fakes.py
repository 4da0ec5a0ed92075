"""The world outside, as these tests need it: a web that does what it is told."""

import asyncio
import json

from vestibule.net.exchange import FetchFailed, FetchForbidden, FetchResult

APP = "https://app.example/client.json"
CALLBACK = "https://app.example/callback"


class Web:
    """Pages by URL; what is not listed is 404. Stands where the guarded fetcher does, and counts what is asked of it."""

    def __init__(self):
        self.pages = {}
        self.asked = []
        self.open = asyncio.Event()
        self.open.set()

    def answer(self, url, body=b"", *, status=200, headers=None):
        self.pages[url] = FetchResult(status, headers or {}, body if isinstance(body, bytes) else json.dumps(body).encode())

    def publish(self, url=APP, *, headers=None, **members):
        self.answer(url, document(url, **members), headers=headers)

    def fail(self, url=APP, error=FetchFailed):
        self.pages[url] = error

    def forbid(self, url=APP):
        self.fail(url, FetchForbidden)

    async def get(self, url, *, max_bytes, **_):
        self.asked.append(url)
        await self.open.wait()
        await asyncio.sleep(0)
        page = self.pages.get(url) or FetchResult(404, {}, b"")
        if isinstance(page, type):
            raise page(f"{url} by order of the test")
        if len(page.body) > max_bytes:
            raise FetchFailed("too large")
        return page


def document(url=APP, **members):
    return {"client_id": url, "client_name": "An app", "redirect_uris": [CALLBACK], **members}
