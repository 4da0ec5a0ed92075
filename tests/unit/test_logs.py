"""Access logs without secrets."""

from __future__ import annotations

import logging
from logging.config import dictConfig
from types import SimpleNamespace

import pytest
from uvicorn.logging import AccessFormatter

from vestibule.logs import WithoutQueries

CONFIGURED = {
    "version": 1,
    "disable_existing_loggers": False,
    "filters": {"without_queries": {"()": "vestibule.logs.WithoutQueries"}},
    "loggers": {"access.configured": {"level": "INFO", "filters": ["without_queries"]}},
}


@pytest.fixture(params=["in code", "configured"])
def logger(request: pytest.FixtureRequest) -> logging.Logger:
    if request.param == "configured":
        dictConfig(CONFIGURED)
        return logging.getLogger("access.configured")
    made = logging.getLogger("access.in_code")
    made.addFilter(WithoutQueries())
    return made


@pytest.mark.parametrize(
    ("asked", "logged"),
    [
        ("/auth/callback?code=c0de&state=st4te", "/auth/callback"),
        ("/mounted/anywhere?user=alice@example.com?x", "/mounted/anywhere"),
        ("http%3A//mcp.example.com/auth/callback?code=c0de", "http%3A//mcp.example.com/auth/callback"),
        ("/mcp", "/mcp"),
        ("/a%3Fb?", "/a%3Fb"),
    ],
)
def test_the_query_is_cut_off_and_the_rest_stays(
    logger: logging.Logger, asked: str, logged: str, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO):
        logger.info('%s - "%s %s HTTP/%s" %d', "127.0.0.1:1", "GET", asked, "1.1", 303)
    [record] = caplog.records
    assert record.getMessage() == f'127.0.0.1:1 - "GET {logged} HTTP/1.1" 303'
    assert f"GET {logged} HTTP/1.1" in AccessFormatter(fmt="%(request_line)s", use_colors=False).format(record)


@pytest.mark.parametrize("arguments", [(), ({"path": "/a?b"},), ("what?", 1, None), (SimpleNamespace(),)])
def test_what_is_no_path_is_left_alone(
    logger: logging.Logger, arguments: tuple[object, ...], caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO):
        logger.info("said" + " %s" * len(arguments), *arguments)
    [record] = caplog.records
    assert record.getMessage() == "".join(["said", *(f" {argument}" for argument in arguments)])
