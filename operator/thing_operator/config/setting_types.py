"""What a single setting may be: types with their checks, of which ``config/settings.py`` is made."""

import re
from datetime import timedelta
from ipaddress import ip_address
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema
from pydantic.alias_generators import to_camel
from pydantic_settings import NoDecode

from thing_operator.core.durations import Duration, parse_duration
from thing_operator.core.host_names import HOST_NAME_LENGTH, HOST_NAME_PATTERN, check_host_name
from thing_operator.proxy.route import ProxyAddress, invalid_entries

_HOST_PATTERN = r"^([*][.])?[A-Za-z0-9_-]+([.][A-Za-z0-9_-]+)*$"
_BROKER_PATTERN = r"^([*]|([*][.])?[A-Za-z0-9_-]+([.][A-Za-z0-9_-]+)*)(:([*]|[0-9]{1,5}))?$"


def between(shortest: str, longest: str) -> AfterValidator:
    """Refuses a duration that is not from ``shortest`` to ``longest``."""

    def check(value: timedelta) -> timedelta:
        if not parse_duration(shortest) <= value <= parse_duration(longest):
            raise ValueError(f"a duration from {shortest} to {longest} is expected")
        return value

    return AfterValidator(check)


def _host_pattern(value: str) -> str:
    if not re.fullmatch(_HOST_PATTERN, value):
        raise ValueError("a host name, or a pattern such as *.amazonaws.com, is expected")
    return value


def _broker_pattern(value: str) -> str:
    if not re.fullmatch(_BROKER_PATTERN, value):
        raise ValueError(
            "a host name, or a pattern such as *.amazonaws.com, with or without :port is expected"
        )
    return value


def _ip_address(value: str) -> str:
    return str(ip_address(value))


def _https_url(value: str) -> str:
    parts = urlsplit(value)
    if parts.scheme != "https" or not parts.hostname or parts.query or parts.fragment:
        raise ValueError("an address such as https://host/path is expected")
    return value


def _proxy_url(value: str) -> str:
    ProxyAddress.parse(value)
    return value


def _no_proxy(value: tuple[str, ...]) -> tuple[str, ...]:
    if wrong := invalid_entries(value):
        raise ValueError(f"hosts, addresses and CIDRs are expected, not {wrong[0]!r}")
    return value


def _comma_list(value: object) -> object:
    """The environment and the command line write a list as ``a,b``."""
    if isinstance(value, str):
        return tuple(part.strip() for part in value.split(",") if part.strip())
    return value


DurationFromZero = Annotated[Duration, between("0s", "24h")]
PositiveDuration = Annotated[Duration, between("1ms", "24h")]
KeepAlive = Annotated[Duration, between("30s", "20m")]
"""AWS makes 30 s of less and 20 min of more. Source: docs/background/aws-iot-shadow.md#mqtt-dialect."""
HostName = Annotated[
    str,
    AfterValidator(check_host_name),
    WithJsonSchema({"type": "string", "pattern": HOST_NAME_PATTERN, "maxLength": HOST_NAME_LENGTH}),
]
HostPattern = Annotated[
    str, AfterValidator(_host_pattern), WithJsonSchema({"type": "string", "pattern": _HOST_PATTERN})
]
HostPatterns = Annotated[tuple[HostPattern, ...], NoDecode, BeforeValidator(_comma_list)]
MetadataPrefixes = Annotated[
    tuple[Annotated[str, Field(min_length=1)], ...], NoDecode, BeforeValidator(_comma_list)
]
BrokerPattern = Annotated[
    str, AfterValidator(_broker_pattern), WithJsonSchema({"type": "string", "pattern": _BROKER_PATTERN})
]
BrokerPatterns = Annotated[tuple[BrokerPattern, ...], NoDecode, BeforeValidator(_comma_list)]
HttpsUrl = Annotated[str, AfterValidator(_https_url)]
ProxyUrl = Annotated[
    str,
    AfterValidator(_proxy_url),
    WithJsonSchema(
        {
            "type": "string",
            "pattern": r"^(socks5h?|http)://([^@/:]+@)?([^@/:]+|\[[0-9a-fA-F:.]+\]):[0-9]{1,5}/?$",
        }
    ),
]
NoProxy = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_comma_list), AfterValidator(_no_proxy)]
Namespace = Annotated[str, Field(pattern=r"^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$")]
Name = Annotated[str, Field(pattern=r"^[a-z0-9]([-a-z0-9]{0,53}[a-z0-9])?$")]
"""Short enough for a label's value, and for a suffix."""
Namespaces = Annotated[tuple[Namespace, ...], NoDecode, BeforeValidator(_comma_list)]
ListenAddress = Annotated[str, AfterValidator(_ip_address)]
Port = Annotated[int, Field(ge=0, le=65535)]


class SettingsGroup(BaseModel):
    """Settings with a name in common: frozen, and nothing else may be among them."""

    model_config = ConfigDict(frozen=True, extra="forbid", alias_generator=to_camel, populate_by_name=True)
