"""Four atomic verbs on records, and the backends that keep them.

Owns persistence and its guarantees, and the contract suite that any store must pass; knows nothing of what the records mean. May
import :mod:`vestibule.keys`, :mod:`vestibule.protocol` and what lies below them.
"""
