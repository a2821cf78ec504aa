"""Ways out of a network by SOCKS5 or HTTP CONNECT: which proxy, for which hosts, and the tunnel itself."""
