"""The Lease of one member, and those of all members of the group as they were seen. Pure."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, Self

from thing_operator.api.names import GROUP
from thing_operator.core.resource import ObjectKey
from thing_operator.core.resource_versions import is_older, version_number
from thing_operator.leadership.lease import Lease, Sighting, lease_body

GROUP_LABEL: Final = f"{GROUP}/group"
"""On the Lease of each member of a group, and on the one with its shard map."""
TAKES_ANNOTATION: Final = f"{GROUP}/takes"
"""``0`` on the Lease of a member that is to end: it takes no shard, and gives what it has."""

BRIDGE_ANNOTATION: Final = f"{GROUP}/bridge"
"""Where the other members reach this one's bridge, ``http://address:port``; absent where they cannot."""

_REMEMBERED: Final = 10
"""For so many durations the Lease of a member that has ended is left: somebody may look for it."""


@dataclass(frozen=True, slots=True)
class MemberLease(Lease):
    """What counts of a member's Lease. ``holder`` is its identity; empty: it has ended, or was fenced.

    ``renewed`` is the time of its last renewal as the holder wrote it, by which a holder knows its own renewals.
    """

    uid: str
    renewed: str
    takes: bool
    bridge: str | None = None

    @classmethod
    def of(cls, body: Mapping[str, Any]) -> Self:
        """A member's Lease from its JSON; what is absent is empty."""
        lease, metadata = Lease.of(body), body["metadata"]
        annotations = metadata.get("annotations") or {}
        return cls(
            holder=lease.holder,
            duration=lease.duration,
            acquired=lease.acquired,
            transitions=lease.transitions,
            version=lease.version,
            taken_over=lease.taken_over,
            uid=str(metadata.get("uid", "")),
            renewed=(body.get("spec") or {}).get("renewTime") or "",
            takes=annotations.get(TAKES_ANNOTATION) != "0",
            bridge=annotations.get(BRIDGE_ANNOTATION),
        )


@dataclass(frozen=True, slots=True)
class Group:
    """What the members of a group have in common: its name, the namespace of its Leases, and how long one lasts.

    ``pod_uid``: of the pod of this process, so that its Lease is deleted with the pod. ``bridge``: where its bridge is.
    """

    name: str
    namespace: str
    duration: timedelta
    pod_uid: str | None = None
    bridge: str | None = None

    @property
    def text(self) -> str:
        """As which its members hold the Leases of namespaces together."""
        return f"{self.namespace}/{self.name}"

    @property
    def map_key(self) -> ObjectKey:
        """The Lease with the shard map."""
        return ObjectKey(self.namespace, f"{self.name}-shards")

    def key(self, member: str) -> ObjectKey:
        """The Lease of a member, by its name."""
        return ObjectKey(self.namespace, member)

    def held_body(
        self, name: str, *, holder: str, now: datetime, former: MemberLease | None, takes: bool
    ) -> dict[str, Any]:
        """What a member writes to have its Lease, or to keep it; ``now`` by the time of day, for people."""
        body = self._body(name, holder=holder, now=now, former=former)
        annotations = {} if takes else {TAKES_ANNOTATION: "0"}
        if self.bridge is not None:
            annotations[BRIDGE_ANNOTATION] = self.bridge
        if annotations:
            body["metadata"]["annotations"] = annotations
        if self.pod_uid is not None:
            pod = {"apiVersion": "v1", "kind": "Pod", "name": name, "uid": self.pod_uid}
            body["metadata"]["ownerReferences"] = [pod]
        return body

    def ended_body(self, name: str, *, now: datetime, former: MemberLease | None) -> dict[str, Any]:
        """What is written in place of a Lease whose holder has ended, or is fenced: it has none."""
        body = self._body(name, holder="", now=now, former=former)
        del body["spec"]["holderIdentity"]  # an empty one is refused
        return body

    def _body(self, name: str, *, holder: str, now: datetime, former: MemberLease | None) -> dict[str, Any]:
        body = lease_body(
            self.key(name), holder=holder, duration=self.duration, now=now, former=former, taken_over=False
        )
        body["metadata"]["labels"] = {GROUP_LABEL: self.name}
        return body


def name_of(identity: str) -> str:
    """The name of the Lease of a member: of its host, or pod. See :mod:`thing_operator.leadership.identity`."""
    return identity.rsplit("_", 2)[0]


class Fellows:
    """The Leases of all members, this process' own included. Times are seconds of our own monotonic clock."""

    def __init__(self, *, duration: float) -> None:
        self._duration = duration
        self._seen: dict[str, Sighting[MemberLease]] = {}
        self.changed_at = 0.0
        """When a member was last seen to come, to end, or to be about to."""

    def lease(self, name: str) -> MemberLease | None:
        """A Lease as it was seen last; None: absent."""
        seen = self._seen.get(name)
        return seen.lease if seen else None

    def names(self) -> tuple[str, ...]:
        """Of all Leases that are there."""
        return tuple(name for name, seen in self._seen.items() if seen.lease is not None)

    def see(self, name: str, lease: MemberLease | None, *, now: float, as_of: int | None = None) -> None:
        """It was looked at, or the watch has shown it; None: it is absent (as of a version)."""
        before = self._members()
        seen = self._seen.get(name)
        known = version_number(seen.lease.version) if seen and seen.lease else None
        if lease is None and is_older(as_of, known):
            return
        self._seen[name] = seen.then(lease, now=now) if seen else Sighting(lease, now)
        if self._members() != before:
            self.changed_at = now

    def interrupted(self, *, now: float) -> None:
        """The API server does not answer: whoever is silent may not have been able to renew."""
        self._seen = {name: seen.interrupted(now=now) for name, seen in self._seen.items()}

    def is_over(self, name: str, *, now: float) -> bool:
        """Whether nobody can be expected to have it: absent, ended, or not renewed for as long as it lasts."""
        seen = self._seen.get(name)
        return seen is None or seen.is_over(now=now)

    def members(self) -> frozenset[str]:
        """The identities of all."""
        return frozenset(self._members())

    def may_hold(self, me: str, *, now: float) -> bool:
        """Whether anybody but this member may hold a shard: a member, or who has had a Lease until a moment ago.

        Whoever has lost its Lease acts until it can have been fenced, or is shown that.
        """
        is_missed = any(
            seen.lease is None and name != name_of(me) and now - seen.since < self._duration
            for name, seen in self._seen.items()
        )
        return is_missed or bool(self.members() - {me})

    def takers(self) -> frozenset[str]:
        """Those that take shards."""
        return frozenset(identity for identity, takes in self._members().items() if takes)

    def successor(self, identity: str) -> str:
        """Whose the shards of this member are: its own, its successor's in the same pod, or nobody's (empty).

        One whose Lease is absent has not ended for certain.
        """
        lease = self.lease(name_of(identity))
        return lease.holder if lease else identity

    def silent(self, holders: Collection[str], *, now: float) -> tuple[str, ...]:
        """The names of those to be fenced: not renewed for their duration, or holders for as long without a Lease."""
        for name in map(name_of, holders):
            self._seen.setdefault(name, Sighting(None, now))
        wanted = {name_of(each) for each in holders}
        return tuple(
            name
            for name, seen in self._seen.items()
            if self._is_silent(seen, is_holder=name in wanted, now=now)
        )

    def silent_for(self, seconds: float, *, now: float) -> frozenset[str]:
        """The identities of the members whose Leases have not changed for so long."""
        return frozenset(
            seen.lease.holder
            for seen in self._seen.values()
            if seen.lease is not None and seen.lease.holder and now - seen.since >= seconds
        )

    def removable(self, holders: Collection[str], *, now: float) -> tuple[tuple[str, MemberLease], ...]:
        """The Leases of members that have ended long ago, and whom the map does not name."""
        named = {name_of(each) for each in holders}
        return tuple(
            (name, seen.lease)
            for name, seen in self._seen.items()
            if seen.lease is not None
            and not seen.lease.holder
            and name not in named
            and now - seen.since >= _REMEMBERED * self._duration
        )

    def _members(self) -> dict[str, bool]:
        leases = (seen.lease for seen in self._seen.values())
        return {lease.holder: lease.takes for lease in leases if lease is not None and lease.holder}

    def _is_silent(self, seen: Sighting[MemberLease], *, is_holder: bool, now: float) -> bool:
        if seen.lease is None:
            return is_holder and now - seen.since >= self._duration
        return bool(seen.lease.holder) and seen.is_over(now=now)
