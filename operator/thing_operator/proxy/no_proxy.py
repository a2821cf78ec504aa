"""What a list of NO_PROXY means, as Go reads it; pure.

Python's own reading knows no CIDR and no port, so that a NO_PROXY written for kubectl is misread. Go's is described
at https://pkg.go.dev/golang.org/x/net/http/httpproxy.
"""

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

Address = IPv4Address | IPv6Address


@dataclass(frozen=True, slots=True)
class _Target:
    host: str
    port: str
    address: Address | None


def is_listed(host: str, port: int, entries: Iterable[str]) -> bool:
    """Whether one entry means this host and port: ``*``, a CIDR, an address or a domain, the latter two with a port.

    Names are not resolved. What is none of these means nothing.
    """
    host = host.lower()
    target = _Target(host, str(port), parsed_address(host))
    return any(entry == "*" or _covers(entry.lower(), target) for entry in entries)


def parsed_address(host: str) -> Address | None:
    """The IP address that a host is, an IPv4 one where IPv6 only wraps it; None for a name."""
    try:
        address = ip_address(host)
    except ValueError:
        return None
    return (address.ipv4_mapped or address) if isinstance(address, IPv6Address) else address


def _covers(entry: str, target: _Target) -> bool:
    prefix, slash, length = entry.partition("/")
    if slash:
        return length.isdecimal() and parsed_address(prefix) is not None and _within(entry, target.address)
    host, port = _host_and_port(entry)
    if port not in {"", target.port}:
        return False
    address = parsed_address(host)
    if address is not None:
        return address == target.address
    return _is_domain(host, target.host)


def _within(network: str, address: Address | None) -> bool:
    with suppress(ValueError):
        return address is not None and address in ip_network(network, strict=False)
    return False


def _is_domain(pattern: str, host: str) -> bool:
    """``x.no`` means itself and what is below it, ``.x.no`` and ``*.x.no`` only what is below."""
    suffix = pattern.removeprefix("*") if pattern.startswith("*.") else pattern
    domain = suffix.removeprefix(".")
    with suppress(UnicodeError):
        domain = domain.encode("idna").decode()
    if not domain:
        return False
    return host.endswith(f".{domain}") or (host == domain and not suffix.startswith("."))


def _host_and_port(entry: str) -> tuple[str, str]:
    if entry.startswith("["):
        host, bracket, port = entry[1:].partition("]:")
        return (host, port) if bracket else (entry, "")
    host, colon, port = entry.partition(":")
    return (host, port) if colon and ":" not in port else (entry, "")
