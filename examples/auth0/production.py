"""The server for production: any number of processes share the sessions in one Redis, and a restart ends none.

    pip install '.[fastmcp,key-value,redis]'  # in a clone of this repository
    export JWT_SIGNING_KEY=$(openssl rand -base64 32) REDIS_HOST=localhost REDIS_PORT=6379
    export STORAGE_ENCRYPTION_KEY=$(python -c "from cryptography.fernet import Fernet; print(Fernet.generate_key().decode())")
    export AUTH0_CONFIG_URL=… AUTH0_CLIENT_ID=… AUTH0_CLIENT_SECRET=… AUTH0_AUDIENCE=… BASE_URL=https://mcp.example.com
    vestibule run production.py --transport http --port 8000

Keep both keys: every process needs the same ones, after every restart too. `client_storage="redis://localhost:6379"` alone does as well, for
records are sealed before they leave this process; the wrapper stays here for those who come with it.
"""

import os

from cryptography.fernet import Fernet
from fastmcp import FastMCP
from key_value.aio.stores.redis import RedisStore
from key_value.aio.wrappers.encryption import FernetEncryptionWrapper

from vestibule import get_access_token
from vestibule.providers.auth0 import Auth0Provider

auth_provider = Auth0Provider(
    config_url=os.environ["AUTH0_CONFIG_URL"],
    client_id=os.environ["AUTH0_CLIENT_ID"],
    client_secret=os.environ["AUTH0_CLIENT_SECRET"],
    audience=os.environ["AUTH0_AUDIENCE"],
    base_url=os.environ["BASE_URL"],
    jwt_signing_key=os.environ["JWT_SIGNING_KEY"],
    client_storage=FernetEncryptionWrapper(
        key_value=RedisStore(host=os.environ["REDIS_HOST"], port=int(os.environ["REDIS_PORT"])),
        fernet=Fernet(os.environ["STORAGE_ENCRYPTION_KEY"]),
    ),
)

mcp = FastMCP(name="Production Auth0 App", auth=auth_provider)


@mcp.tool
async def whoami() -> str:
    """Who is signed in."""
    caller = get_access_token()
    return str(caller.subject) if caller else "nobody"
