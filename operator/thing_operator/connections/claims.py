"""The claims of the Things of this process: taken on live facts, and whoever is concerned by a change enqueued."""

import logging
from datetime import timedelta

from thing_operator.api.conditions import ConditionType, find_condition
from thing_operator.api.thing import ThingStatus
from thing_operator.config import EndpointSettings
from thing_operator.connections.session_slot import SessionSlot
from thing_operator.core.clock import Clock
from thing_operator.core.reasons import Reason
from thing_operator.core.resource import ObjectKey
from thing_operator.kube.ports import Enqueue
from thing_operator.kube.snapshot import ObjectSnapshot
from thing_operator.session import Endpoint
from thing_operator.twin.claims import Addressing, Claims, Rank, ThingClaim, decide
from thing_operator.twin.problem import Problem
from thing_operator.twin.resolved import ResolvedThing

log = logging.getLogger(__name__)

UNSEEN = "another Thing that you cannot see, in another namespace,"
"""Who may see this Thing need not be allowed to know of the other: the operator's log names it."""


class ThingClaims:
    """Who may hold the session of each thing. ``enqueue`` gets the keys of those for whom that changes."""

    def __init__(self, settings: EndpointSettings, *, enqueue: Enqueue, clock: Clock) -> None:
        self._addressing = Addressing(settings.account_per_address)
        self._enqueue = enqueue
        self._clock = clock
        self._claims = Claims()
        self._slots: dict[ObjectKey, SessionSlot] = {}
        self._waits_for: dict[ObjectKey, ObjectKey] = {}
        self._waits_elsewhere: dict[ObjectKey, ObjectKey] = {}
        """For Things of other replicas."""

    def claim(
        self, snapshot: ObjectSnapshot, slot: SessionSlot, resolved: ResolvedThing, *, before: ThingStatus
    ) -> Problem | None:
        """Claim the thing for this object, which has credentials or a session; the problem when another holds it.

        ``before``: its status, for what an earlier process knew of it.
        """
        slot.record.begin(self._address_in(before))
        self._slots[snapshot.key] = slot
        self._claims.enter(self._claim_of(snapshot, slot, resolved))
        self._decide(resolved.thing_name, asking=snapshot.key)
        holder = self._waits_for.get(snapshot.key)
        return None if holder is None else duplicate_problem(snapshot.key, holder, resolved)

    def withdraw(self, key: ObjectKey) -> None:
        """Give up the claim of a Thing that is to have no session; who waited for it is enqueued."""
        name = self._claims.withdraw(key)
        self._slots.pop(key, None)
        self._waits_for.pop(key, None)
        self._waits_elsewhere.pop(key, None)
        if name is not None:
            self._decide(name, asking=key)

    def wait_elsewhere(self, key: ObjectKey, holder: ObjectKey | None, thing_name: str) -> None:
        """Note that a Thing waits for one of another replica; None: it does not."""
        if holder is None:
            self._waits_elsewhere.pop(key, None)
        elif self._waits_elsewhere.get(key) != holder:
            self._waits_elsewhere[key] = holder
            log.warning("%s waits: %s, of another replica, holds thing %s", key, holder, thing_name)

    def is_held_by_another(
        self, snapshot: ObjectSnapshot, slot: SessionSlot, resolved: ResolvedThing
    ) -> bool:
        """Whether another Thing holds the thing that this one is for, whatever its credentials are."""
        asking = self._claim_of(snapshot, slot, resolved)
        return snapshot.key in self._waits_elsewhere or any(
            other.key not in self._waits_for and self._addressing.same_thing(other, asking)
            for other in self._claims.of_thing(resolved.thing_name)
            if other.key != snapshot.key
        )

    def twin_in_words(self, key: ObjectKey, thing_name: str) -> str | None:
        """Which other Thing holds a session with the same thing name and the same certificate; None when none does.

        Only where each address is an account of its own can there be one.
        """
        claims = {claim.key: claim for claim in self._claims.of_thing(thing_name)}
        mine = claims.pop(key, None)
        for other in claims.values():
            if mine is not None and other.key not in self._waits_for and other.has_certificate_of(mine):
                return (
                    f"Thing {other.key.name}" if other.key.namespace == key.namespace else UNSEEN.rstrip(",")
                )
        return None

    def duplicates(self) -> dict[str, int]:
        """How many Things wait for another one, by where that is: the same namespace, or another."""
        waits = (*self._waits_for.items(), *self._waits_elsewhere.items())
        other = sum(key.namespace != holder.namespace for key, holder in waits)
        return {"same_namespace": len(waits) - other, "other_namespace": other}

    def _decide(self, thing_name: str, *, asking: ObjectKey) -> None:
        claims = self._claims.of_thing(thing_name)
        now = timedelta(seconds=self._clock.monotonic())
        ranks = {claim.key: self._rank(claim, now) for claim in claims}
        for key, holder in decide(claims, ranks, self._addressing).items():
            if holder == self._waits_for.get(key):
                continue
            if holder is None:
                del self._waits_for[key]
            else:
                self._waits_for[key] = holder
                log.warning("%s waits: %s holds thing %s", key, holder, thing_name)
            if key != asking:
                self._enqueue(key)

    def _rank(self, claim: ThingClaim, now: timedelta) -> Rank:
        slot, wanted = self._slots[claim.key], claim.address
        if slot.session is not None:
            view, in_use = slot.session.view, slot.session.in_use
            failed = view.pending_identity_error
            slot.record.note(
                wanted=wanted,
                in_use=self._address(in_use.endpoint) if in_use is not None and view.connected else None,
                reason=view.reason,
                rotation=failed.reason if failed is not None else None,
                now=now,
            )
        return slot.record.rank(wanted, now=now)

    def _claim_of(self, snapshot: ObjectSnapshot, slot: SessionSlot, resolved: ResolvedThing) -> ThingClaim:
        in_use = slot.session.in_use if slot.session is not None else None
        found = (
            slot.credentials.fingerprint if slot.credentials is not None else None,
            slot.spec.identity.fingerprint if slot.spec is not None else None,
            in_use.identity.fingerprint if in_use is not None else None,
        )
        return ThingClaim(
            key=snapshot.key,
            thing_name=resolved.thing_name,
            address=self._addressing.address(resolved.host, resolved.port),
            fingerprints=tuple(dict.fromkeys(each for each in found if each is not None)),
            seniority=snapshot.seniority,
        )

    def _address(self, endpoint: Endpoint) -> str:
        return self._addressing.address(endpoint.host, endpoint.port)

    def _address_in(self, status: ThingStatus) -> str | None:
        """The broker that a Thing was connected to by its status."""
        connected = find_condition(status.conditions, ConditionType.CONNECTED)
        endpoint = status.endpoint
        if connected is None or connected.status != "True" or endpoint is None:
            return None
        return self._addressing.address(endpoint.host, endpoint.port)


def duplicate_problem(key: ObjectKey, holder: ObjectKey, resolved: ResolvedThing) -> Problem:
    """Names the other Thing to those alone who may see it."""
    if key.namespace == holder.namespace:
        message = (
            f"Thing {holder.name} holds thing {resolved.thing_name}: delete or suspend one of the two; for another "
            "thing make another Thing"
        )
    else:
        message = (
            f"{UNSEEN} holds thing {resolved.thing_name}: ask whoever runs the operator, whose log names it; for "
            "another thing make another Thing"
        )
    return Problem(Reason.DUPLICATE_THING, message, stalled=True)
