"""The identity provider, seen as a client of it.

Owns discovery, the authorization request, exchange, refresh and revocation towards the provider, and the ID-token checks. May
import :mod:`vestibule.net` and what lies below it.
"""
