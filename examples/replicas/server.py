"""One of several processes that share their sessions: start as many as you like, on one machine or on many.

    pip install '.[fastmcp,redis]'  # in a clone of this repository
    mkdir -p -m 700 /etc/vestibule
    vestibule keys new --file /etc/vestibule/keys.json
    export CONFIG_URL=… CLIENT_ID=… CLIENT_SECRET=… BASE_URL=https://mcp.example.com
    export STORE_URL=redis://localhost:6379/0 KEY_FILE=/etc/vestibule/keys.json
    vestibule run server.py:app --port 8001
    vestibule run server.py:app --port 8002

`nginx.conf` beside this file puts one address in front of them. Every process needs the same store and the same keys, and nothing else.
"""

import os
from pathlib import Path

from fastmcp import FastMCP

from vestibule import OIDCProxy, get_access_token

auth = OIDCProxy(
    config_url=os.environ["CONFIG_URL"],
    client_id=os.environ["CLIENT_ID"],
    client_secret=os.environ["CLIENT_SECRET"],
    base_url=os.environ["BASE_URL"],
    client_storage=os.environ["STORE_URL"],
    jwt_signing_key=Path(os.environ["KEY_FILE"]),
)
mcp = FastMCP("Notes", auth=auth)


@mcp.tool
def whoami() -> str:
    """Who is signed in, and which process answers."""
    caller = get_access_token()
    return f"{caller.subject if caller else 'nobody'} at {os.getpid()}"


# A session of the protocol itself would live in one process only; without them every process answers every request.
app = mcp.http_app(path="/mcp", stateless_http=True)
