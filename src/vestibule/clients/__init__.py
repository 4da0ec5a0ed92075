"""Who a client is, and whether it is the one it says.

Owns the three ways in which a client becomes known (it registered itself, it publishes a document, the operator listed it), the one
directory over them, and client authentication. May import ``net``, ``keys`` and ``protocol``; knows nothing of grants or HTTP.
"""
