"""Who may sign in.

Rules are functions of the identity's claims, put together in code ::

    from vestibule.policy import all_of, email_domain, group, not_

    sign_in_policy = all_of(email_domain("example.com"), not_(group("contractors")))

or written as a table, see :func:`policy_from`. Owns the rules (:mod:`~vestibule.policy.rules`), those about e-mail addresses
(:mod:`~vestibule.policy.addresses`), their written form (:mod:`~vestibule.policy.tables`) and the question itself
(:mod:`~vestibule.policy.sign_in`). Imports errors only.
"""

from __future__ import annotations

from vestibule.policy.addresses import email, email_domain
from vestibule.policy.rules import SignInPolicy, all_of, any_of, claim, group, not_, organisation, role, tenant
from vestibule.policy.sign_in import account_name, check_sign_in, not_admitted
from vestibule.policy.tables import policy_from

__all__ = [
    "SignInPolicy",
    "account_name",
    "all_of",
    "any_of",
    "check_sign_in",
    "claim",
    "email",
    "email_domain",
    "group",
    "not_",
    "not_admitted",
    "organisation",
    "policy_from",
    "role",
    "tenant",
]
