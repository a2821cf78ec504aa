"""Which HTTP proxy leads to the API server, by the variables that kubectl reads, and read as Go reads them."""

from collections.abc import Mapping

from yarl import URL

from thing_operator.login.errors import LoginError
from thing_operator.proxy.no_proxy import is_listed, parsed_address

_SCHEMES = frozenset({"http", "https"})


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
    address = parsed_address(host)
    if host == "localhost" or (address is not None and address.is_loopback):
        return True
    return is_listed(host, server.port or 0, [part for each in no_proxy.split(",") if (part := each.strip())])
