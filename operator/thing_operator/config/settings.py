"""Every setting of the operator: one frozen model, checked at start.

Sources, strongest first: the command line, the environment (``THING_OPERATOR_`` plus the upper snake case
name, ``__`` between levels), the YAML file (camelCase keys, same nesting), the defaults below.
"""

from datetime import timedelta
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, ValidationInfo, field_validator
from pydantic.alias_generators import to_camel
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from thing_operator.config.listening import BridgeSettings, HealthSettings, MetricsSettings
from thing_operator.config.setting_types import (
    BrokerPatterns,
    DurationFromZero,
    HostName,
    HostPatterns,
    HttpsUrl,
    KeepAlive,
    MetadataPrefixes,
    Name,
    Namespace,
    Namespaces,
    NoProxy,
    PositiveDuration,
    ProxyUrl,
    SettingsGroup,
    between,
)
from thing_operator.core.durations import Duration, Size
from thing_operator.proxy.route import ProxyAddress

ENV_PREFIX = "THING_OPERATOR_"


class EndpointSettings(SettingsGroup):
    """The broker of Things that name none, and which brokers a Thing may name."""

    host: HostName | None = Field(
        default=None, description="broker of Things that name none; a host name without scheme and port"
    )
    port: Annotated[int, Field(ge=1, le=65535)] = Field(
        default=8883, description="8883, or 443, which uses ALPN x-amzn-mqtt-ca"
    )
    ca_file: Path | None = Field(
        default=None, description="PEM roots of Things that name no CA; the shipped Amazon roots otherwise"
    )
    allowed_hosts: BrokerPatterns = Field(
        default=("*.amazonaws.com",),
        description="brokers that a Thing may name, besides the one above: host, *.domain for all below it, * for any; "
        "with :port, or :* for any port, else the ports 8883, 443 and the one above. A host named without * may have a "
        "private address, and only so may an IP address be named",
    )
    account_per_address: bool = Field(
        default=False,
        description="whether each host and port is an account of its own, so that two Things of one thing name there "
        "are two things, whatever their ports and certificates; a broker has several addresses more often",
    )

    def brokers(self) -> tuple[str, ...]:
        """All that a Thing may name, the operator's own broker included."""
        return (self.host, *self.allowed_hosts) if self.host else self.allowed_hosts


class SessionSettings(SettingsGroup):
    """The life of one MQTT connection: what is waited for how long, and how it comes back."""

    keep_alive: KeepAlive = Field(
        default=timedelta(seconds=300),
        description="MQTT keep-alive, 30s to 20m, shortened at random by up to 20 %",
    )
    connect_timeout: PositiveDuration = Field(
        default=timedelta(seconds=10), description="for DNS, TCP and TLS together"
    )
    disconnect_grace: DurationFromZero = Field(
        default=timedelta(seconds=30), description="a shorter loss of the connection is not written to status"
    )
    without_secret: DurationFromZero = Field(
        default=timedelta(hours=1),
        description="how long a session lives on when the Secret of its credentials is deleted; it writes nothing then",
    )
    min_reconnect_interval: PositiveDuration = Field(
        default=timedelta(seconds=10), description="least time between two CONNECTs of one client id"
    )
    max_backoff: PositiveDuration = Field(
        default=timedelta(seconds=120), description="ceiling of the backoff between two attempts to connect"
    )
    message_limit: Annotated[Size, Field(ge=16 * 1024)] = Field(
        default=132 * 1024,
        description="largest MQTT packet that a broker may announce, and largest shadow that is held, in bytes; a "
        "session that gets more ends. AWS sends 128 KiB at most",
    )
    proxy: ProxyUrl | None = Field(
        default=None,
        description="proxy to the brokers, such as socks5h://user@proxy.example.com:1080: socks5 resolves names here, "
        "socks5h and http (CONNECT) at the proxy",
    )
    proxy_password_file: Path | None = Field(
        default=None, description="file with the password of the proxy's user", validate_default=True
    )
    no_proxy: NoProxy = Field(
        default=(),
        description="brokers that are reached without the proxy: domains, addresses and CIDRs, as in NO_PROXY",
    )
    topic_filters: Literal["exact", "wildcard"] = Field(
        default="exact",
        description="exact: 7 topic filters a session; wildcard: 3 for the same messages, which the policy of the "
        "certificate must allow, so that a start under AWS's quota takes 3/7 of the time",
    )

    @field_validator("proxy_password_file")
    @classmethod
    def _belongs_to_a_user(cls, file: Path | None, info: ValidationInfo) -> Path | None:
        proxy = info.data.get("proxy")
        user = ProxyAddress.parse(proxy).user if proxy else None
        if user is not None and file is None:
            raise ValueError("session.proxy names a user: a file with its password is expected")
        if user is None and file is not None and "proxy" in info.data:
            raise ValueError("it is the password of the user in session.proxy, which names none")
        return file


class PacingSettings(SettingsGroup):
    """Rates per endpoint; a fifth of AWS's account defaults (500 each) is left to others."""

    connects_per_second: Annotated[float, Field(gt=0)] = Field(
        default=400, description="CONNECTs a second to one endpoint"
    )
    subscriptions_per_second: Annotated[float, Field(gt=0)] = Field(
        default=400,
        description="topic filters a second to one endpoint; a session has 7, or 3 with wildcards",
    )


class ShadowSettings(SettingsGroup):
    """Bounds of requests to the shadow service: how long to wait, how large a document."""

    request_timeout: PositiveDuration = Field(
        default=timedelta(seconds=15), description="how long to wait for an answer of the shadow service"
    )
    document_limit: Size = Field(default=8192, description="largest size of desired plus reported, in bytes")


class StatusSettings(SettingsGroup):
    """The write budget towards the API server, over all objects."""

    min_interval: DurationFromZero = Field(
        default=timedelta(seconds=2),
        description="least time between two status writes of one Thing caused by reports; a Thing may name a "
        "longer one",
    )
    writes_per_second: Annotated[float, Field(gt=0)] = Field(
        default=100, description="status writes over all objects"
    )
    intent_log_namespace: Namespace | None = Field(
        default=None,
        description="where the log of intents is kept, a ConfigMap for each process: of many Things that are applied "
        "together each then writes its status once instead of twice; the release's in the chart, none if absent",
    )


class BatchSettings(SettingsGroup):
    """Where batch zips may be fetched from, and how MIC's API is found."""

    url_hosts: HostPatterns = Field(
        default=("*.amazonaws.com",),
        description="hosts that source.url and source.cloudApi may reach: a pattern means port 443 and public "
        "addresses, a host named without * may have any port and a private address",
    )
    ca_file: Path | None = Field(default=None, description="PEM roots of these hosts; the system's otherwise")
    allowed_metadata_prefixes: MetadataPrefixes | None = Field(
        default=None,
        description="how keys of labels and annotations in a ThingBatch's templates may begin, such as example.com/; "
        "any when absent. Other controllers act upon labels and annotations of Secrets",
    )
    manifest_url: HttpsUrl = Field(
        default="https://wrd4rfaqo1.execute-api.eu-west-1.amazonaws.com/Prod/manifest/",
        description="where MIC says which API belongs to a stack",
    )


class DeviceSettings(SettingsGroup):
    """What ``spec.device`` may keep in memory for one Thing without a connection."""

    buffer_limit: Annotated[int, Field(ge=1, le=100_000)] = Field(
        default=360, description="simulated values kept for one Thing without a connection"
    )
    buffer_age: PositiveDuration = Field(
        default=timedelta(hours=1), description="older simulated values are dropped"
    )


class LeaseSettings(SettingsGroup):
    """The Leases by which two operators do not run the same Things."""

    duration: PositiveDuration = Field(
        default=timedelta(seconds=10),
        description="so long after its last renewal another operator takes a Lease; a fifth of it is the time between "
        "two renewals. Several Leases last longer, so that they cost no more writes than one, and so does one that the "
        "replicas of a release have together: 15 times, up to 150s",
    )
    namespace: Namespace = Field(
        default="kube-system",
        description="where an operator of all namespaces has its Lease; the same for all of a cluster",
    )
    identity: Annotated[str, Field(pattern=r"^[A-Za-z0-9]([-.A-Za-z0-9]{0,126}[A-Za-z0-9])?$")] | None = (
        Field(
            default=None,
            description="name of the holder in a Lease, before its process; the host's if absent",
        )
    )


class ShardingSettings(SettingsGroup):
    """How the replicas of one release share its Things: each has a Lease, and one Lease says who runs what."""

    group: Name | None = Field(
        default=None,
        description="what all replicas of a release have in common, and no other release in the cluster has, such as "
        "its name; without it a process shares with nobody",
    )
    namespace: Namespace | None = Field(
        default=None, description="where the replicas have their Leases; lease.namespace if absent"
    )
    pod_uid: Annotated[str, Field(pattern=r"^[-0-9a-f]{8,64}$")] | None = Field(
        default=None,
        description="uid of the pod, whose name is lease.identity: then its Lease is deleted with it. Only where "
        "sharding.namespace is the pod's",
    )
    lease_duration: Annotated[Duration, between("1s", "5m")] = Field(
        default=timedelta(seconds=10),
        description="so long after the last renewal of its Lease a replica's Things go to the others",
    )
    renew_interval: PositiveDuration = Field(
        default=timedelta(seconds=2),
        description="between two renewals; at most a third of sharding.leaseDuration",
    )
    calm: DurationFromZero = Field(
        default=timedelta(seconds=15),
        description="Things move to a new replica when none has come or ended for so long; AWS takes a client id's "
        "CONNECT once in ten seconds",
    )
    drain_timeout: DurationFromZero = Field(
        default=timedelta(seconds=90),
        description="how long a replica that is to end waits for others to take its Things one by one; then it leaves "
        "them the rest. Less than terminationGracePeriodSeconds, by 10s at least",
    )

    @field_validator("renew_interval")
    @classmethod
    def _several_in_a_lease(cls, interval: timedelta, info: ValidationInfo) -> timedelta:
        duration = info.data.get("lease_duration")
        if duration is not None and interval * 3 > duration:
            raise ValueError("at most a third of sharding.leaseDuration is expected, so that one may fail")
        return interval


class LogSettings(SettingsGroup):
    """What the operator writes to its log, and in which form."""

    level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="lowest level shown"
    )
    format: Literal["auto", "json", "console"] = Field(
        default="auto", description="auto is console on a terminal, else json"
    )


class Settings(BaseSettings):
    """All settings, as docs/reference/settings.md lists them."""

    model_config = SettingsConfigDict(
        frozen=True,
        extra="forbid",
        env_prefix=ENV_PREFIX,
        env_nested_delimiter="__",
        alias_generator=to_camel,
        populate_by_name=True,
    )

    endpoint: EndpointSettings = EndpointSettings()
    namespaces: Namespaces = Field(default=(), description="namespaces to watch; all when empty")
    session: SessionSettings = SessionSettings()
    pacing: PacingSettings = PacingSettings()
    shadow: ShadowSettings = ShadowSettings()
    status: StatusSettings = StatusSettings()
    deletion_timeout: PositiveDuration = Field(
        default=timedelta(minutes=5),
        description="after it a Thing that is being deleted is released, whatever the cloud does",
    )
    resync_interval: PositiveDuration = Field(
        default=timedelta(minutes=5), description="between two comparisons with the API server's list"
    )
    batch: BatchSettings = BatchSettings()
    device: DeviceSettings = DeviceSettings()
    spec_max_age: PositiveDuration = Field(
        default=timedelta(minutes=1),
        description="so long without an answer of the API server, nothing is sent from specs and no drift is repaired: "
        "they may have changed",
    )
    memory_budget: Size = Field(
        default=64 * 1024 * 1024,
        description="memory (bytes, or as 64MiB) for what objects and brokers can make the operator hold: specs, CAs, "
        "zips, shadows; a namespace may hold as much as is still free, so alone half of it",
    )
    lease: LeaseSettings = LeaseSettings()
    sharding: ShardingSettings = ShardingSettings()
    metrics: MetricsSettings = MetricsSettings()
    health: HealthSettings = HealthSettings()
    bridge: BridgeSettings = BridgeSettings()
    log: LogSettings = LogSettings()

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003 - the signature is the library's
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Only the arguments count: ``load_settings`` is the one place that reads the environment."""
        return (init_settings,)
