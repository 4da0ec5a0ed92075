"""The fakes' metadata for those who read it at construction, when there is no event loop to run the fakes in."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx2
import pytest


def serve_documents(fake: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Answer blocking requests for a document of `fake`, and no others."""

    @contextmanager
    def stream(method: str, url: str, **_: Any) -> Iterator[httpx2.Response]:
        if url not in fake.documents or "" in fake.down:
            raise httpx2.ConnectError(f"there is nothing at {url}")
        yield httpx2.Response(200, json=fake.document(), request=httpx2.Request(method, url))

    monkeypatch.setattr(httpx2, "stream", stream)
