"""Which HTTP proxy leads to the API server, by the variables that kubectl reads, and read as Go reads them.

Python's own reading of NO_PROXY knows no CIDR, no port and no loopback, so that a NO_PROXY written for kubectl sends
the operator to the proxy. Go's is described at https://pkg.go.dev/golang.org/x/net/http/httpproxy.
"""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

from yarl import URL

from thing_operator.kube.errors import LoginError

_SCHEMES = frozenset({"http", "https"})

Address = IPv4Address | IPv6Address


@dataclass(frozen=True, slots=True)
class _Target:
    host: str
    port: str
    address: Address | None


def environment_proxy(server: str, environment: Mapping[str, str]) -> str | None:
    """The URL of the proxy for ``server`` by HTTPS_PROXY (HTTP_PROXY for ``http://``) and NO_PROXY, else None.

    The name in capitals goes before the one in small letters. Raises LoginError for a proxy that is none for HTTP.
    """
    url = URL(server)
    name = f"{url.scheme.upper()}_PROXY"
    found = _variable(environment, name)
    if not found or _bypasses(url, _variable(environment, "NO_PROXY")):
        return None
    return checked_proxy(found if "://" in found else f"http://{found}", field=name)


def checked_proxy(proxy: str, *, field: str) -> str:
    """``proxy`` when it is the URL of an HTTP proxy; else LoginError, which names ``field`` and no password."""
    try:
        url = URL(proxy)
        if url.scheme in _SCHEMES and url.host:
            return proxy
        scheme = f" of {url.scheme}://" if url.scheme not in _SCHEMES | {""} else ""
    except ValueError:
        scheme = ""
    raise LoginError(f"{field} has no URL of an HTTP proxy, but one{scheme}: name one of http:// or https://")


def _variable(environment: Mapping[str, str], name: str) -> str:
    return environment.get(name) or environment.get(name.lower()) or ""


def _bypasses(server: URL, no_proxy: str) -> bool:
    host = (server.raw_host or "").lower()
    target = _Target(host, str(server.port or ""), _address(host))
    if host == "localhost" or (target.address is not None and target.address.is_loopback):
        return True
    entries = [part for each in no_proxy.lower().split(",") if (part := each.strip())]
    return "*" in entries or any(_covers(entry, target) for entry in entries)


def _covers(entry: str, target: _Target) -> bool:
    """Whether one entry of NO_PROXY means the target: a CIDR, an address or a domain, the latter two with a port."""
    prefix, slash, length = entry.partition("/")
    if slash:
        return length.isdecimal() and _address(prefix) is not None and _within(entry, target.address)
    host, port = _host_and_port(entry)
    if port not in {"", target.port}:
        return False
    address = _address(host)
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


def _address(text: str) -> Address | None:
    try:
        address = ip_address(text)
    except ValueError:
        return None
    return (address.ipv4_mapped or address) if isinstance(address, IPv6Address) else address
