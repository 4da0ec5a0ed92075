"""The network, as these tests need it: pages by URL behind a real HTTP client, and a name service that says what it is told."""

import json

import httpx2


class Web:
    """Answers requests and remembers them. A page is a response, an exception to raise, or a function of the request."""

    def __init__(self):
        self.pages = {}
        self.requests = []

    def answer(self, url, body=b"", status=200, headers=None):
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        sent = {"content-type": "application/json"} | (headers or {})
        self.pages[url] = lambda _request: httpx2.Response(status, headers=sent, content=content)

    def fail(self, url, error=httpx2.ConnectError):
        def raising(_request):
            raise error("down")

        self.pages[url] = raising

    def client(self):
        return httpx2.AsyncClient(transport=httpx2.MockTransport(self._handle))

    async def _handle(self, request):
        self.requests.append(request)
        page = self.pages.get(str(request.url))
        if page is None:
            return httpx2.Response(404)
        result = page(request)
        return await result if hasattr(result, "__await__") else result


class Names:
    """A name service. Each look-up of a name takes its next answer; the last one stays."""

    def __init__(self, **answers):
        self.answers = {name.replace("_", "."): list(lists) for name, lists in answers.items()}
        self.asked = []

    async def __call__(self, host, port):
        self.asked.append((host, port))
        lists = self.answers.get(host)
        if lists is None:
            raise OSError("no such name")
        return lists.pop(0) if len(lists) > 1 else lists[0]
