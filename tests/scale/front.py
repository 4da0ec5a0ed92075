"""A real nginx in front of the servers, as in a deployment."""

from __future__ import annotations

import getpass
import os
import shutil
import signal
import socket
import subprocess
from collections.abc import Sequence
from contextlib import suppress

from tests.stores.servers import QUIET, Server, missing, wait_until

FRONT = "x-front"
"""In the answers that nginx makes itself."""

# A POST that may have reached a server is not sent to another one: nginx cannot know what it did, and clients try again themselves. A GET
# is. Both are what nginx does unless told otherwise. What nginx answers for a server that is gone is no answer of ours; it gets the form
# that ours have, and a mark.
_CONFIGURATION = """
daemon off;
worker_processes 1;
pid nginx.pid;
error_log error.log crit;
{user}
events {{ worker_connections 4096; }}
http {{
    access_log off;
    client_body_temp_path body;
    proxy_temp_path proxy;
    fastcgi_temp_path fastcgi;
    uwsgi_temp_path uwsgi;
    scgi_temp_path scgi;
    upstream servers {{
{servers}
        keepalive 64;
        keepalive_timeout 20s;
    }}
    server {{
        listen 127.0.0.1:{port} backlog=1024;
        location / {{
            proxy_pass http://servers;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_set_header Host $http_host;
            proxy_next_upstream error timeout;
            proxy_connect_timeout 2s;
            proxy_read_timeout 90s;
            add_header X-Tried $upstream_addr always;
        }}
        error_page 502 504 = @away;
        location @away {{
            default_type application/json;
            add_header Retry-After 1 always;
            add_header X-Front nginx always;
            return 503 '{{"error":"temporarily_unavailable"}}';
        }}
    }}
}}
"""


class Nginx(Server):
    """Hands requests on to servers on some ports of this machine."""

    def __init__(self, ports: Sequence[int]) -> None:
        super().__init__()
        self.program = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin:/usr/local/sbin") or missing("nginx")
        servers = "\n".join(f"        server 127.0.0.1:{port} max_fails=0;" for port in ports)
        user = (
            f"user {getpass.getuser()};" if os.geteuid() == 0 else ""
        )  # else its workers would be somebody who may write nothing here
        written = _CONFIGURATION.format(servers=servers, port=self.port, user=user)
        (self.folder / "nginx.conf").write_text(written)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        place = ["-p", str(self.folder), "-c", str(self.folder / "nginx.conf"), "-e", str(self.folder / "error.log")]
        self.process = subprocess.Popen([self.program, *place], **QUIET)
        wait_until(lambda: is_open(self.port))

    def kill(self) -> None:
        self._end(signal.SIGTERM)  # its worker would outlive a kill -9


def is_open(port: int) -> bool:
    """Whether somebody listens."""
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
    return False
