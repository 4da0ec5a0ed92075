"""Storage: four atomic verbs on records that have a version and a time to live.

May import ``keys`` and what lies below it; knows nothing of what the records mean.

- :mod:`vestibule.storage.protocol` — :class:`~vestibule.storage.protocol.Store` and :class:`~vestibule.storage.protocol.Record`
- :mod:`vestibule.storage.memory`, :mod:`vestibule.storage.sqlite` — the stores that come with the package
- :mod:`vestibule.storage.redis`, :mod:`vestibule.storage.postgres` — those for many processes and machines
- :mod:`vestibule.storage.announcements` — what those tell other processes at once
- :mod:`vestibule.storage.key_value` — any ``py-key-value-aio`` store, with what that protocol cannot promise
- :mod:`vestibule.storage.lifted` — such a store on Redis or PostgreSQL, replaced by ours on the same server
- :mod:`vestibule.storage.sealed` — records that are encrypted before they reach a store
- :mod:`vestibule.storage.breaker`, :mod:`vestibule.storage.health` — whether a store works, and what is said of it
- :mod:`vestibule.storage.locate` — from a setting to a store
- :mod:`vestibule.storage.contract` — the tests that every store has to pass
"""
