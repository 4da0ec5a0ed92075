"""Keys: the ring they come from, sealing, and JSON Web Tokens.

Owns every secret that Vestibule derives and the only import of the JOSE library (:mod:`vestibule.keys.jwt`). May import
``protocol`` and what lies below it; knows nothing of stores, clients or HTTP.

- :mod:`vestibule.keys.keyring` — :class:`~vestibule.keys.keyring.KeyRing`: one key per purpose, rotation, the public key set
- :mod:`vestibule.keys.sealing` — :class:`~vestibule.keys.sealing.Sealer`: encrypted and authenticated artefacts
- :mod:`vestibule.keys.envelopes` — values under a key that the ring has no part in
- :mod:`vestibule.keys.jwt` — signing and checking JWTs
- :mod:`vestibule.keys.base64url` — the encoding, read without leniency
- :mod:`vestibule.keys.private_files` — files and folders that only their owner can read
"""
