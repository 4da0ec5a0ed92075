"""Pure values and functions of the protocol, one concept and its RFC per module.

Owns what the specifications say about strings and documents: PKCE, bearer headers, redirect URIs, resource indicators, scopes,
metadata, registrations, client documents, parameters. No I/O, no framework, no clock. May import the standard library and
:mod:`vestibule.errors`, :mod:`vestibule.reasons`.
"""
