"""The settings of the ports that the operator listens on."""

from ipaddress import ip_address
from typing import Annotated

from pydantic import Field

from thing_operator.config.setting_types import ListenAddress, Port, SettingsGroup

_LISTEN_PORT = "port to listen on; 0 turns it off"


class ListenSettings(SettingsGroup):
    """A port that the operator listens on, and at which address."""

    address: ListenAddress | None = Field(
        default=None, description="IP address to listen on; all of the machine's if absent"
    )
    port: Port

    def collides_with(self, other: "ListenSettings") -> bool:
        """Whether only one of the two can be opened."""
        if not self.port or self.port != other.port:
            return False
        if self.address is None or other.address is None or self.address == other.address:
            return True
        one, another = ip_address(self.address), ip_address(other.address)
        return one.version == another.version and (one.is_unspecified or another.is_unspecified)


class HealthSettings(ListenSettings):
    """Where the probes are answered: ``/healthz``, ``/startupz`` and ``/readyz``."""

    port: Port = Field(default=8080, description=_LISTEN_PORT)


class MetricsSettings(ListenSettings):
    """Where Prometheus finds the metrics, and how many series there are."""

    port: Port = Field(default=9090, description=_LISTEN_PORT)
    per_thing: bool = Field(
        default=False,
        description="also a series for each condition of each Thing, four for every Thing",
    )
    max_values: Annotated[int, Field(ge=0, le=1_000_000)] = Field(
        default=10_000,
        description="most values of Things that a replica shows as gauges (spec.mirror.metrics); beyond it "
        "each namespace gets as many as any other. 0 shows none",
    )


class BridgeSettings(ListenSettings):
    """Where workloads read shadows, report and listen over HTTP; the limits are those of each replica."""

    port: Port = Field(default=0, description=_LISTEN_PORT)
    advertised_address: ListenAddress | None = Field(
        default=None,
        description="IP address at which the other replicas reach this one's bridge, such as the pod's; without it "
        "they cannot pass requests on to it",
    )
    audience: Annotated[str, Field(pattern=r"^[!-~]{1,253}$")] = Field(
        default="thing-operator-bridge",
        description="audience that a caller's token must be for; none of the API server's",
    )
    requests_per_second: Annotated[float, Field(gt=0)] = Field(
        default=1000,
        description="requests of all callers; those of one namespace leave half to others",
    )
    caller_requests_per_second: Annotated[float, Field(gt=0)] = Field(
        default=100, description="requests of one service account"
    )
    thing_reports_per_second: Annotated[float, Field(gt=0)] = Field(
        default=10, description="reports for one Thing, from all callers; AWS takes 20 requests a second"
    )
    waiting_reports: Annotated[int, Field(ge=1, le=1000)] = Field(
        default=16, description="reports for one Thing that may wait for the shadow service's answer"
    )
    streams: Annotated[int, Field(ge=1, le=100_000)] = Field(
        default=1000,
        description="streams of events that may be open; those of one namespace leave as many to others",
    )
    streams_per_caller: Annotated[int, Field(ge=1, le=100_000)] = Field(
        default=100, description="streams of events of one service account"
    )
