"""Ways out of a network by SOCKS5 or HTTP CONNECT: which proxy, for which hosts, and the tunnel itself."""

from thing_operator.proxy.route import ProxyAddress, ProxyFailedError, ProxyRoute
from thing_operator.proxy.tunnel import first_address, open_tunnel

__all__ = ["ProxyAddress", "ProxyFailedError", "ProxyRoute", "first_address", "open_tunnel"]
