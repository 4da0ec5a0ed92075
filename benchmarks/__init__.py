"""Vestibule and its peer, the OAuth bridge of the public ``fastmcp`` package, measured side by side in one run.

``python -m benchmarks`` prints a table, writes ``artifacts/benchmark.json`` and draws ``docs/images/benchmark.svg``;
``--quick`` is a short form. Both sides bridge the same stand-in provider (``upstream``), which runs in its own process,
and take turns round by round, so that a busy machine disturbs both alike. Nothing here is a test: figures are reported,
only the claim "a known token costs no store read, no network and no public-key operation" is asserted.

    run          the command: settings, the row groups one after the other, the reports
    rows         one row of the table: series of rounds, medians, ratios
    timing       how a round is timed
    sides        how each side is built, alike
    upstream     the stand-in provider (own process)
    vendors      a stand-in of providers with opaque access tokens (own process)
    server       a FastMCP server of one side (own process)
    processes    starting and stopping those three
    walk         one whole login, as a client and a browser do it
    counting     what one call did: store reads, network requests, public-key operations
    verify, calls, opaque, login, register, footprint    the row groups
    spread       how fast the end of a session reaches another process; a command of its own
    report       table, JSON, picture

``python -m benchmarks.scale`` and ``python -m benchmarks.growth`` measure more processes and more sessions, each on every store, and
write ``docs/reference/scale.md``.

    stores       SQLite, Redis, PostgreSQL, running
    replica, replicas    one of several server processes of a side (own process); all of them, and requests spread over them
    storm        many requests at the moment when the provider's token has ended
    many         many grants, made and put into a store
    grown        one server on such a store (own process)
    page         the page with the figures
"""
