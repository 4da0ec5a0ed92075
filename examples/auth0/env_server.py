"""A server that says nothing about sign-in: the environment does.

Copy env.example to .env, fill it in, and:

    vestibule run env_server.py --transport http --port 8000
"""

from fastmcp import FastMCP

mcp = FastMCP(name="Auth0 Secured App")


@mcp.tool
async def search_logs() -> list[str]:
    """Search the service logs."""
    return ["started", "ready"]
