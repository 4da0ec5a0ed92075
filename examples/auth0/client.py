"""A client of server.py: opens the browser for the sign-in, then calls the tool.

python client.py [http://localhost:8000/mcp]
"""

import asyncio
import sys

from fastmcp import Client


async def main(url: str) -> None:
    async with Client(url, auth="oauth") as client:
        print("Signed in at Auth0.")
        result = await client.call_tool("get_token_info")
        print(f"Auth0 audience: {result.data['audience']}")


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1] if len(sys.argv) > 1 else "http://localhost:8000/mcp"))
