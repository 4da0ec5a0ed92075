"""Keys: the ring they come from, sealing, and JSON Web Tokens.

Owns every secret that Vestibule derives and the only import of the JOSE library (:mod:`vestibule.keys.jwt`). May import
``protocol`` and what lies below it; knows nothing of stores, clients or HTTP.

- :mod:`vestibule.keys.keyring` — :class:`~vestibule.keys.keyring.KeyRing`: the keys in force, rotation, the public key set
- :mod:`vestibule.keys.ring_key` — :class:`~vestibule.keys.ring_key.RingKey`: one secret, and a key per purpose derived from it
- :mod:`vestibule.keys.key_file` — :class:`~vestibule.keys.key_file.KeyFile`: the file that keys are kept in, and re-read from
- :mod:`vestibule.keys.key_forms` — what such a file may hold
- :mod:`vestibule.keys.sealing` — :class:`~vestibule.keys.sealing.Sealer`: encrypted and authenticated artefacts
- :mod:`vestibule.keys.envelopes` — values under a key that the ring has no part in
- :mod:`vestibule.keys.cipher` — the authenticated encryption of both
- :mod:`vestibule.keys.jwt` — signing and checking JWTs
- :mod:`vestibule.keys.base64url` — the encoding, read without leniency
- :mod:`vestibule.keys.private_files` — files and folders that only their owner can read
"""
