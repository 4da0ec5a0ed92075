"""The HTTP edge of the authorization server: one module per endpoint, reading strictly and answering.

Each endpoint module has a function that takes the :class:`~vestibule.server.hall.Hall` and returns its routes. The rules live in
``grants``, ``clients`` and ``protocol``; here is what a request must look like and what an answer looks like. May import everything
below it, never ``proxy`` or ``hosts``.
"""
