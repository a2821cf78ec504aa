"""Which thing, which broker, which Secret: the spec with the operator's defaults filled in. Pure."""

from dataclasses import dataclass
from typing import Final

from thing_operator.api.thing import CredentialsSpec, EndpointSpec, ThingSpec
from thing_operator.config import EndpointSettings
from thing_operator.config.hosts import Reach, broker_reach
from thing_operator.core.errors import UserError
from thing_operator.core.reasons import Reason
from thing_operator.credentials.names import secret_name
from thing_operator.kube.snapshot import ObjectSnapshot
from thing_operator.twin.problem import Problem

NOT_ALLOWED: Final = (
    "spec.endpoint is none of the brokers that the operator may connect to: correct its host and port, or have "
    "endpoint.allowedHosts extended in the operator's configuration"
)
"""One sentence for all that is not allowed, so that it says nothing of the network, nor of the list."""


class EndpointNotConfiguredError(UserError):
    """Neither the Thing nor the operator names a broker."""

    reason = Reason.ENDPOINT_NOT_CONFIGURED


class EndpointNotAllowedError(UserError):
    """The Thing names a broker that the operator's configuration does not allow."""

    reason = Reason.ENDPOINT_NOT_ALLOWED


@dataclass(frozen=True, slots=True)
class ResolvedThing:
    """The effective values of one Thing: what its spec says, and the operator's defaults where it says nothing."""

    thing_name: str
    host: str
    port: int
    ca_secret_name: str | None
    ca_config_map_name: str | None
    secret_name: str
    certificate_key: str | None
    private_key_key: str | None
    public_only: bool = False
    """The broker may only be at a public address: no list names the host itself."""


@dataclass(frozen=True, slots=True)
class Resolution:
    """What a spec comes to. ``spec`` and ``resolved`` are None as far as ``problem`` keeps them from being known."""

    spec: ThingSpec | None = None
    resolved: ResolvedThing | None = None
    problem: Problem | None = None


def resolve(snapshot: ObjectSnapshot, *, settings: EndpointSettings) -> Resolution:
    """Parse the spec and fill in the defaults; never raises: what is wrong with it is in the result."""
    spec: ThingSpec | None = None
    try:
        spec = snapshot.parse_spec(ThingSpec)
        return Resolution(spec, resolve_thing(name=snapshot.key.name, spec=spec, settings=settings))
    except UserError as error:
        return Resolution(spec, problem=Problem.of(error))


def resolve_thing(*, name: str, spec: ThingSpec, settings: EndpointSettings) -> ResolvedThing:
    """Fill in the defaults; ``name`` is metadata.name.

    Raises EndpointNotConfiguredError or EndpointNotAllowedError.
    """
    endpoint = spec.endpoint or EndpointSpec()
    credentials = spec.credentials or CredentialsSpec()
    thing_name = spec.thing_name or name
    host, port = _host(endpoint.host, settings), endpoint.port or settings.port
    reach = broker_reach(host, port, patterns=settings.brokers(), default_port=settings.port)
    if reach is Reach.NONE:
        raise EndpointNotAllowedError(NOT_ALLOWED)
    return ResolvedThing(
        thing_name=thing_name,
        host=host,
        port=port,
        ca_secret_name=endpoint.ca_secret_name,
        ca_config_map_name=endpoint.ca_config_map_name,
        secret_name=credentials.secret_name or secret_name(thing_name),
        certificate_key=credentials.certificate_key,
        private_key_key=credentials.private_key_key,
        public_only=reach is Reach.PUBLIC,
    )


def _host(wanted: str | None, settings: EndpointSettings) -> str:
    if wanted is None:
        if settings.host is None:
            raise EndpointNotConfiguredError(
                "no broker is named: set spec.endpoint.host, or endpoint.host in the operator's configuration "
                "(App Board shows the host under Settings > About)"
            )
        return settings.host
    return wanted
