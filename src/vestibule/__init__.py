"""Vestibule: the entrance hall of MCP servers."""
