"""Which of several Things for one thing may hold its session when different replicas run them. Pure.

No replica sees what the other one knows, so both decide by what the API server shows of all of them: the same facts, by
the same rule as within a replica (``twin.claims``). Of two that were connected it is the one that has been for longer:
who was there stays.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final, Self

from thing_operator.api.conditions import Condition, ConditionType, find_condition
from thing_operator.api.thing import ThingStatus
from thing_operator.config import EndpointSettings
from thing_operator.core.reasons import Reason
from thing_operator.kube.snapshot import ObjectSnapshot
from thing_operator.twin.claims import Addressing, Rank, Seniority, ThingClaim, decide
from thing_operator.twin.resolved import resolve

_ESTABLISHED: Final = timedelta(minutes=1)
_RANK_BY_REASON: Final = {Reason.NOT_AUTHORIZED.value: Rank.REFUSED, Reason.TLS_FAILED.value: Rank.FAILED}


@dataclass(frozen=True, slots=True)
class ShownThing:
    """A Thing with its status, as the API server shows both."""

    snapshot: ObjectSnapshot
    status: ThingStatus


@dataclass(frozen=True, slots=True)
class Rival:
    """A Thing as its object shows it to everybody: what it claims, and how it has fared with its broker."""

    claim: ThingClaim
    rank: Rank
    has_claim: bool
    """Whether it asks for a session by now: not suspended, not being deleted, with credentials or connected."""

    @classmethod
    def of(
        cls,
        shown: ShownThing,
        *,
        parent: ShownThing | None = None,
        settings: EndpointSettings,
        addressing: Addressing,
        now: datetime,
    ) -> Self | None:
        """From spec and status at ``now``; None for one of which nobody can say what it is for.

        ``parent``: of a networked child, which has no certificate of its own.
        """
        snapshot, status = shown.snapshot, shown.status
        found = parent.snapshot if parent is not None else None
        resolution = resolve(snapshot, settings=settings, find=lambda _key: found)
        spec, resolved = resolution.spec, resolution.resolved
        if spec is None or resolved is None:
            return None
        address = addressing.address(resolved.host, resolved.port)
        certificate = (parent or shown).status.certificate
        connected = find_condition(status.conditions, ConditionType.CONNECTED)
        in_use = addressing.address(status.endpoint.host, status.endpoint.port) if status.endpoint else None
        rank = Rank.PROVEN if in_use == address and _has_been_up(connected, now) else _rank(status)
        has_credentials = _is_true(find_condition(status.conditions, ConditionType.CREDENTIALS_VALID))
        # What no replica has reconciled so far may be about to connect.
        is_unseen = status.observed_generation in {None, -1}
        return cls(
            claim=ThingClaim(
                key=snapshot.key,
                thing_name=resolved.thing_name,
                address=address,
                fingerprints=(certificate.fingerprint,) if certificate else (),
                seniority=_seniority(snapshot, connected, rank),
            ),
            rank=rank,
            has_claim=not resolution.is_suspended
            and snapshot.deleting_since is None
            and (is_up(status) or has_credentials or is_unseen),
        )


def holder_before(own: Rival, others: Collection[Rival], addressing: Addressing) -> ThingClaim | None:
    """The claim that ``own``, which asks for a session, has to wait for; None when it may have it."""
    name = own.claim.thing_name
    claims = {own.claim.key: own} | {
        each.claim.key: each for each in others if each.has_claim and each.claim.thing_name == name
    }
    ranks = {key: each.rank for key, each in claims.items()}
    holder = decide([each.claim for each in claims.values()], ranks, addressing)[own.claim.key]
    return claims[holder].claim if holder is not None else None


def _rank(status: ThingStatus) -> Rank:
    """Of one that is not connected to the broker that it names. Who waits goes on waiting while the other is down."""
    if waits(status):
        return Rank.WAITING
    connected = find_condition(status.conditions, ConditionType.CONNECTED)
    return _RANK_BY_REASON.get(connected.reason, Rank.UNTRIED) if connected is not None else Rank.UNTRIED


def waits(status: ThingStatus) -> bool:
    """Whether it says that another Thing holds the thing."""
    ready = find_condition(status.conditions, ConditionType.READY)
    return ready is not None and ready.reason == Reason.DUPLICATE_THING


def is_up(status: ThingStatus) -> bool:
    """Whether it says that there is a session, and that it is connected."""
    return _is_true(find_condition(status.conditions, ConditionType.CONNECTED))


def _seniority(snapshot: ObjectSnapshot, connected: Condition | None, rank: Rank) -> Seniority:
    if rank is Rank.PROVEN and connected is not None:
        return (connected.last_transition_time.astimezone(UTC).isoformat(), snapshot.uid)
    return snapshot.seniority


def _has_been_up(connected: Condition | None, now: datetime) -> bool:
    """Whether it has been connected for so long that every replica can know."""
    return (
        connected is not None and _is_true(connected) and now - connected.last_transition_time >= _ESTABLISHED
    )


def _is_true(condition: Condition | None) -> bool:
    return condition is not None and condition.status == "True"
