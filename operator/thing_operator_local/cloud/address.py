"""Where a cloud listens, and the names that its certificates are for."""

import re
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Final

from thing_operator_local.errors import LocalError
from thing_operator_local.ports import HOST, LOOPBACK

_LABEL: Final = "[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"
_HOST_NAME: Final = re.compile(rf"(?=.{{1,253}}\Z){_LABEL}(\.{_LABEL})*")


@dataclass(frozen=True, slots=True)
class CloudAddress:
    """``listen`` is an address of this machine, or all of one kind; ``hostnames`` are further names for clients."""

    listen: str = LOOPBACK
    hostnames: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Raises LocalError for what is no address or no name."""
        if not _is_address(self.listen):
            raise LocalError(
                f"--listen {self.listen} is no IP address: give one of this machine, or 0.0.0.0 for all of them"
            )
        for name in self.hostnames:
            if not (_is_address(name) or _HOST_NAME.fullmatch(name)):
                raise LocalError(
                    f"--hostname {name} is no host name: lower-case letters, digits, hyphens and dots, "
                    "without scheme and port; or an IP address"
                )

    @property
    def host(self) -> str:
        """By which this machine reaches it."""
        is_usual = self.listen in {LOOPBACK, "::1"} or ip_address(self.listen).is_unspecified
        return HOST if is_usual else self.listen

    @property
    def further(self) -> tuple[str, ...]:
        """``names`` beside those that every cloud has."""
        return tuple(name for name in self.names if name not in {HOST, LOOPBACK})

    @property
    def names(self) -> tuple[str, ...]:
        """What the servers' certificates are for."""
        return tuple(dict.fromkeys((HOST, LOOPBACK, self.host, *self.hostnames)))

    def at(self, port: int) -> str:
        """``listen`` with a port, as servers write it."""
        return f"{bracketed(self.listen)}:{port}"


def bracketed(host: str) -> str:
    """A host as it stands before a port: an IPv6 address in brackets."""
    return f"[{host}]" if ":" in host else host


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True
