"""As oidc_proxy.py, for tests: sessions are kept in memory, and every start begins with none.

    pip install '.[fastmcp,key-value]'  # in a clone of this repository
    export OIDC_CONFIG_URL=https://login.example.com/.well-known/openid-configuration
    export OIDC_CLIENT_ID=… OIDC_CLIENT_SECRET=… BASE_URL=http://localhost:8000
    vestibule run memory_store.py --transport http --port 8000

Where py-key-value-aio is not in use, `client_storage="memory://"` says the same.
"""

import os

from fastmcp import FastMCP
from key_value.aio.stores.memory import MemoryStore

from vestibule import OIDCProxy

auth = OIDCProxy(
    config_url=os.environ["OIDC_CONFIG_URL"],
    client_id=os.environ["OIDC_CLIENT_ID"],
    client_secret=os.environ["OIDC_CLIENT_SECRET"],
    base_url=os.environ["BASE_URL"],
    client_storage=MemoryStore(),
)

mcp = FastMCP(name="My Server", auth=auth)


@mcp.tool
def protected_tool(data: str) -> str:
    """Only for those who signed in."""
    return f"Processed: {data}"
