"""Where a fetch that somebody else asked for may go to: which IP addresses, and which names.

Only the public unicast space is open. The list is our own, after the special-purpose registries of IANA (RFC 6890), so that the
answer does not depend on the version of Python.
"""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Final

__all__ = ["is_forbidden", "is_internal_name"]

_FORBIDDEN_V4: Final = tuple(
    IPv4Network(network)
    for network in (
        "0.0.0.0/8",  # this host
        "10.0.0.0/8",  # private (RFC 1918)
        "100.64.0.0/10",  # carrier-grade NAT (RFC 6598), also where one cloud keeps its metadata service
        "127.0.0.0/8",  # loopback
        "168.63.129.16/32",  # the Azure host, reachable from each of its guests and public by its number only
        "169.254.0.0/16",  # link-local, with the metadata services of most clouds
        "172.16.0.0/12",  # private
        "192.0.0.0/24",  # IETF protocol assignments
        "192.0.2.0/24",  # documentation
        "192.88.99.0/24",  # 6to4 relays
        "192.168.0.0/16",  # private
        "198.18.0.0/15",  # benchmarks
        "198.51.100.0/24",  # documentation
        "203.0.113.0/24",  # documentation
        "224.0.0.0/4",  # multicast
        "240.0.0.0/4",  # reserved, and broadcast
    )
)

# Outside of 2000::/3 lie loopback, IPv4-mapped and -compatible addresses, NAT64 (64:ff9b::/96 and 64:ff9b:1::/48), unique local,
# link-local, site-local and multicast ones: none of them is public, and those that embed an IPv4 address hide where they lead.
_GLOBAL_UNICAST_V6: Final = IPv6Network("2000::/3")
_FORBIDDEN_V6: Final = tuple(
    IPv6Network(network)
    for network in (
        "2001::/23",  # IETF protocol assignments, Teredo (2001::/32) among them
        "2001:db8::/32",  # documentation
        "2002::/16",  # 6to4
        "3fff::/20",  # documentation
    )
)


# Names that lead inside: RFC 6761, RFC 6762, RFC 8375 (home.arpa), ICANN's .internal, and what companies commonly use.
_INTERNAL_DOMAINS: Final = frozenset(
    {"arpa", "corp", "home", "internal", "intranet", "lan", "local", "localdomain", "localhost", "private"}
)


def is_forbidden(address: str | IPv4Address | IPv6Address) -> bool:
    """Whether an address must not be dialled; text that is no address is forbidden, too."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return True
    if isinstance(parsed, IPv4Address):
        return any(parsed in network for network in _FORBIDDEN_V4)
    return parsed not in _GLOBAL_UNICAST_V6 or any(parsed in network for network in _FORBIDDEN_V6)


def is_internal_name(host: str) -> bool:
    """Whether a host, in lower case and IPv6 without brackets, can be seen to be internal before it is looked up."""
    if _is_address(host):
        return is_forbidden(host)
    _, dot, top = host.rpartition(".")
    return not dot or top in _INTERNAL_DOMAINS


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True
