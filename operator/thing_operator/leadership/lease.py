"""A Lease as the API server has it, and what is known of it by looking. Pure.

Whether a Lease has expired is never read from its times, which are another machine's: it has, when it has been seen
unchanged for its own duration by our clock, with the API server answering all the while.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, Generic, Self, TypeVar

from thing_operator.api.names import GROUP
from thing_operator.core.resource import ObjectKey, Resource
from thing_operator.core.resource_versions import is_older, version_number

LEASES: Final = Resource("coordination.k8s.io", "v1", "leases", "Lease")
LEASE_NAME: Final = GROUP
"""Of every Lease of ours: a Role can name it, and one list shows those of all namespaces. Not the name of any other
object: kustomize takes names in a Role for those of ConfigMaps, and gives them their hashes.
"""

TAKEN_OVER_ANNOTATION: Final = f"{GROUP}/taken-over"
"""On a Lease that somebody wanted taken from a living holder: who sees more does not take it back."""

_LONGEST: Final = timedelta(hours=1)
"""However long a Lease says that it lasts: a typing error must not stop an operator for ever."""


@dataclass(frozen=True, slots=True)
class Lease:
    """What counts of a Lease. ``holder`` empty: released. ``acquired`` is for people, as the holder wrote it."""

    holder: str
    duration: timedelta
    acquired: str
    transitions: int
    version: str
    taken_over: bool

    @classmethod
    def of(cls, body: Mapping[str, Any]) -> Self:
        """A Lease from its JSON; what is absent is empty."""
        metadata, spec = body["metadata"], body.get("spec") or {}
        return cls(
            holder=spec.get("holderIdentity") or "",
            duration=min(timedelta(seconds=spec.get("leaseDurationSeconds") or 0), _LONGEST),
            acquired=spec.get("acquireTime") or "",
            transitions=spec.get("leaseTransitions") or 0,
            version=str(metadata.get("resourceVersion", "")),
            taken_over=TAKEN_OVER_ANNOTATION in (metadata.get("annotations") or {}),
        )


AnyLease = TypeVar("AnyLease", bound=Lease)


@dataclass(frozen=True, slots=True)
class Sighting(Generic[AnyLease]):
    """A Lease (None: absent) that has been seen unchanged since a moment of our own monotonic clock."""

    lease: AnyLease | None
    since: float

    def then(self, lease: AnyLease | None, *, now: float) -> "Sighting[AnyLease]":
        """What is known after another look; what comes late and is older changes nothing."""
        if lease is None or self.lease is None:
            return self if lease is self.lease else Sighting(lease, now)
        version, known = version_number(lease.version), version_number(self.lease.version)
        if lease.version == self.lease.version or is_older(version, known):
            return self
        return Sighting(lease, now)

    def interrupted(self, *, now: float) -> "Sighting[AnyLease]":
        """The API server did not answer: who holds the Lease could not renew it either, and gets its time again."""
        return Sighting(self.lease, now)

    def is_over(self, *, now: float) -> bool:
        """Whether nobody has it: absent, released, or not renewed for as long as it lasts."""
        lease = self.lease
        return lease is None or not lease.holder or now - self.since >= lease.duration.total_seconds()


def lease_body(
    key: ObjectKey, *, holder: str, duration: timedelta, now: datetime, former: Lease | None, taken_over: bool
) -> dict[str, Any]:
    """The JSON that makes ``holder`` the holder from ``now`` on, or still; ``former`` is what it replaces."""
    renewed = now.strftime("%Y-%m-%dT%H:%M:%S.%fZ")  # six decimals and no others are accepted
    goes_on = former is not None and former.holder == holder
    transitions = former.transitions + (0 if goes_on else 1) if former else 0
    metadata: dict[str, Any] = {"name": key.name, "namespace": key.namespace}
    if former is not None:
        metadata["resourceVersion"] = former.version
    if taken_over:
        metadata["annotations"] = {TAKEN_OVER_ANNOTATION: "true"}
    return {
        "apiVersion": LEASES.api_version,
        "kind": LEASES.kind,
        "metadata": metadata,
        "spec": {
            "holderIdentity": holder,
            "leaseDurationSeconds": max(1, round(duration.total_seconds())),
            "acquireTime": former.acquired if former and goes_on and former.acquired else renewed,
            "renewTime": renewed,
            "leaseTransitions": transitions,
        },
    }
