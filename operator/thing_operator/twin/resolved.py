"""Which thing, which broker, which Secret: the spec with the operator's defaults filled in. Pure."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

from thing_operator.api.thing import CredentialsSpec, EndpointSpec, ThingSpec
from thing_operator.config import EndpointSettings
from thing_operator.config.hosts import Reach, broker_reach
from thing_operator.core.errors import UserError
from thing_operator.core.reasons import Reason
from thing_operator.core.resource import ObjectKey
from thing_operator.core.thing_names import secret_name
from thing_operator.kube.snapshot import InvalidSpecError, ObjectSnapshot
from thing_operator.shadow.topics import child_thing_name, is_thing_name, parent_thing_names
from thing_operator.twin.problem import Problem

NOT_ALLOWED: Final = (
    "spec.endpoint is none of the brokers that the operator may connect to: correct its host and port, or have "
    "endpoint.allowedHosts extended in the operator's configuration"
)
"""One sentence for all that is not allowed, so that it says nothing of the network, nor of the list."""


class EndpointNotConfiguredError(UserError):
    """Neither the Thing nor the operator names a broker."""

    reason = Reason.ENDPOINT_NOT_CONFIGURED


class ParentIsChildError(UserError):
    """The parent of a networked child is one itself."""

    reason = Reason.PARENT_IS_CHILD


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
    parent: str | None = None
    """Of a networked child: metadata.name of the Thing whose connection and credentials it uses."""
    presence: bool = False
    """Whether the thing reports that it is online, and its last will that it is not."""
    public_only: bool = False
    """The broker may only be at a public address: no list names the host itself."""

    @property
    def has_childs_name(self) -> bool:
        """Whether a networked child may be for this thing, too, or is."""
        return bool(parent_thing_names(self.thing_name))


@dataclass(frozen=True, slots=True)
class Resolution:
    """What a spec comes to. ``spec`` and ``resolved`` are None as far as ``problem`` keeps them from being known."""

    spec: ThingSpec | None = None
    resolved: ResolvedThing | None = None
    problem: Problem | None = None
    suspended_by: str | None = None
    """Of a networked child: metadata.name of its parent, where that is suspended."""

    @property
    def is_suspended(self) -> bool:
        """Whether the thing is to have no session, by its own spec or by that of its parent."""
        return self.suspended_by is not None or (self.spec is not None and bool(self.spec.suspend))


FindThing = Callable[[ObjectKey], ObjectSnapshot | None]
"""The Thing of a key, None where there is none."""


def resolve(
    snapshot: ObjectSnapshot, *, settings: EndpointSettings, find: FindThing = lambda _key: None
) -> Resolution:
    """Parse the spec and fill in the defaults; never raises: what is wrong with it is in the result.

    ``find`` gives the parent of a networked child, which is missing without it.
    """
    spec: ThingSpec | None = None
    try:
        spec = snapshot.parse_spec(ThingSpec)
        if spec.parent_ref is not None:
            return _resolve_child(snapshot, spec, spec.parent_ref.name, settings=settings, find=find)
        return Resolution(spec, resolve_thing(name=snapshot.key.name, spec=spec, settings=settings))
    except UserError as error:
        return Resolution(spec, problem=Problem.of(error))


def _resolve_child(
    snapshot: ObjectSnapshot, spec: ThingSpec, name: str, *, settings: EndpointSettings, find: FindThing
) -> Resolution:
    """A networked child, with the parent of this name. Raises UserError for what is wrong with the child itself."""
    parent = find(ObjectKey(snapshot.key.namespace, name))
    if parent is None:
        message = f"its parent, Thing {name}, is not in namespace {snapshot.key.namespace}: apply it there"
        return Resolution(spec, problem=Problem(Reason.PARENT_MISSING, message, stalled=False))
    if parent.parent:
        raise ParentIsChildError(
            f"its parent, Thing {name}, is a networked child itself: name the Thing that has the certificate, "
            f"{parent.parent}, in spec.parentRef of another Thing"
        )
    try:
        parent_spec = parent.parse_spec(ThingSpec)
        resolved = resolve_thing(name=name, spec=parent_spec, settings=settings)
    except UserError as error:
        return Resolution(spec, problem=parent_not_ready(name, error.message))
    thing_name = child_thing_name(resolved.thing_name, spec.thing_name or snapshot.key.name)
    if not is_thing_name(thing_name):
        raise InvalidSpecError(
            f"the thing's whole name, {thing_name}, is none that AWS IoT takes (letters, digits, ':', '_', '-', at "
            "most 128): make another Thing with a shorter spec.thingName"
        )
    suspended_by = name if parent_spec.suspend else None
    return Resolution(
        spec, replace(resolved, thing_name=thing_name, parent=name, presence=False), suspended_by=suspended_by
    )


def parent_not_ready(name: str, why: str) -> Problem:
    """The parent of this name has no session for its child."""
    return Problem(Reason.PARENT_NOT_READY, f"its parent, Thing {name}, has no session: {why}", stalled=False)


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
        presence=spec.device is not None and bool(spec.device.connection_status),
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
