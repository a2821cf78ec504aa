"""Which IP addresses are of the internet, and which host names are addresses in disguise. Pure.

Source: IANA's registries of special-purpose addresses (RFC 6890). Python's ``is_global`` follows them, and differs
from release to release; of IPv6 only what is allocated as global unicast counts here.
"""

import re
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Final

_NAT64: Final = IPv6Network("64:ff9b::/96")
_GLOBAL_UNICAST: Final = IPv6Network("2000::/3")
_SPECIAL_UNICAST: Final = tuple(map(IPv6Network, ("2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20")))
"""Protocol assignments (Teredo, benchmarks, ORCHID), documentation, 6to4, documentation."""
_SPECIAL_V4: Final = tuple(map(IPv4Network, ("192.0.0.0/24", "192.88.99.0/24")))
"""Protocol assignments and relays of 6to4, which older Pythons take for global in part."""
_NUMBER: Final = re.compile(r"[0-9]+|0[xX][0-9a-fA-F]*")


def is_public(address: str) -> bool:
    """Whether an IP address is one of the internet's; an IPv6 address with an IPv4 one in it is as that is."""
    try:
        found = ip_address(address.partition("%")[0])
    except ValueError:
        return False
    if isinstance(found, IPv4Address):
        return _is_public_v4(found)
    embedded = _embedded(found)
    if embedded is not None:
        return _is_public_v4(embedded)
    return found in _GLOBAL_UNICAST and not any(found in special for special in _SPECIAL_UNICAST)


def is_numeric(host: str) -> bool:
    """Whether a host is an address, or what resolvers take for one: 2130706433, 0x7f000001, 127.1.

    Source: https://url.spec.whatwg.org/#ends-in-a-number-checker.
    """
    return ":" in host or _NUMBER.fullmatch(host.rpartition(".")[2]) is not None


def _is_public_v4(address: IPv4Address) -> bool:
    special = address.is_multicast or any(address in network for network in _SPECIAL_V4)
    return address.is_global and not special


def _embedded(address: IPv6Address) -> IPv4Address | None:
    """Of what an IPv4 address is reached by: NAT64, and sockets of IPv6 that speak IPv4."""
    return IPv4Address(int(address) & 0xFFFF_FFFF) if address in _NAT64 else address.ipv4_mapped
