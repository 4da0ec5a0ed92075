"""Canaille as an identity provider: needs a nonce, signs with RS512, puts no scope into its access tokens."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

from tests.interop import setup
from tests.interop.peers import IdentityProvider
from tests.interop.person import Person
from tests.interop.processes import environment, free_port, listening

PASSWORD = "correct horse battery staple"

CONFIGURATION = """
SECRET_KEY = "loopback only"
SERVER_NAME = "127.0.0.1:{port}"
PREFERRED_URL_SCHEME = "http"
[CANAILLE]
DATABASE = "sql"
JAVASCRIPT = false
HTMX = false
[CANAILLE_SQL]
DATABASE_URI = "sqlite:///{folder}/canaille.sqlite"
[CANAILLE_OIDC]
ACTIVE_JWKS = [{key}]
"""


class _Commands:
    """Canaille's command line with one configuration file."""

    def __init__(self, folder: Path, port: int) -> None:
        self.env = environment(CANAILLE_CONFIG=str(folder / "canaille.toml"))
        key = self.run("jwk", "create", "rsa", "--format", "toml")
        (folder / "canaille.toml").write_text(CONFIGURATION.format(port=port, folder=folder, key=key.strip()))

    def run(self, *arguments: str) -> str:
        done = subprocess.run(
            [setup.canaille(), *arguments], env=self.env, capture_output=True, text=True, check=True, timeout=60
        )
        return done.stdout

    def register(self, callback: str) -> tuple[str, str]:
        client_id = f"vestibule-{urlsplit(callback).port}"
        grants = ("--grant-types", "authorization_code", "--grant-types", "refresh_token", "--response-types", "code")
        scopes = ("--scope", "openid", "--scope", "profile", "--scope", "email")
        identity = ("--client-id", client_id, "--client-secret", "interop-secret", "--client-name", "Vestibule")
        method = ("--token-endpoint-auth-method", "client_secret_basic", "--client-uri", "https://vestibule.example")
        self.run("create", "client", *identity, *method, *grants, *scopes, "--redirect-uris", callback)
        self.run("set", "client", client_id, "--audience", client_id)
        return client_id, "interop-secret"


@contextmanager
def canaille(folder: Path) -> Iterator[IdentityProvider]:
    """A running Canaille with one user."""
    port = free_port()
    commands = _Commands(folder, port)
    commands.run("db", "upgrade")
    name = ("--user-name", "alice", "--password", PASSWORD, "--family-name", "Example", "--emails", "alice@example.com")
    commands.run("create", "user", *name)
    person = partial(Person, knows={"login": "alice", "password": PASSWORD}, presses={"answer": "accept"})
    command = [str(setup.canaille()), "run", "--bind", f"127.0.0.1:{port}"]
    with listening(command, port=port, log=folder / "canaille.log", env=commands.env) as log:
        yield IdentityProvider(f"http://127.0.0.1:{port}", log, commands.register, person)
