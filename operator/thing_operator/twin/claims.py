"""Which of the Things that name one thing may hold its session. Pure.

Two sessions with one client id would take each other over for ever, so one Thing has the claim and the others wait
(condition Stalled, reason DuplicateThing). Only a Thing with valid credentials, or with a session, enters a claim. The
order is that of :class:`Rank`, and by age where that is the same: never by age alone, since then whoever is older
ends a session that works.
"""

from collections import defaultdict
from collections.abc import Collection, Hashable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from enum import IntEnum
from typing import Final

from thing_operator.core.backoff import RECHECK
from thing_operator.core.reasons import Reason
from thing_operator.core.resource import ObjectKey

Seniority = tuple[str, str]

FAILURE_COUNTS_FOR: Final = RECHECK
"""For so long a failed attempt counts against a Thing that may make no other; then it may have its turn again."""

_UNDER_WAY = frozenset({Reason.CONNECTING, Reason.CONNECTED})
_DISPROVES = frozenset({Reason.NOT_AUTHORIZED, Reason.TLS_FAILED})
"""What is rather the fault of the Thing than of the way to the broker, which all of them share."""


class Rank(IntEnum):
    """How a Thing has fared with the broker that it names; the less, the better its claim."""

    PROVEN = 0
    """It has connected, and was not refused since. That it is down for a moment changes nothing."""
    UNTRIED = 1
    WAITING = 2
    """It has waited for another one so far, by what its status says. Within a replica nobody has to read that there."""
    FAILED = 3
    REFUSED = 4
    """The broker does not let it in as this thing."""


@dataclass(slots=True)
class TrackRecord:
    """What is remembered of one Thing's attempts, over sessions that were ended and begun.

    ``proven``: the address of the broker that it was last connected to.
    """

    proven: str | None = None
    _is_begun: bool = False
    _made_of: Hashable = None
    _failure: Rank | None = None
    _failed_at: timedelta = timedelta(0)

    def begin(self, proven: str | None) -> None:
        """The first time, what the status says of this: so a restart of the operator changes no claim."""
        if not self._is_begun:
            self._is_begun = True
            self.proven = self.proven or proven

    def use(self, made_of: Hashable) -> None:
        """What the next session is made of, such as certificate and CA: a failure counts for the same ones only."""
        if made_of != self._made_of:
            self._made_of = made_of
            self._failure = None

    def note(
        self, *, wanted: str, in_use: str | None, reason: Reason, rotation: Reason | None, now: timedelta
    ) -> None:
        """The session as it is: connected to the address ``in_use``, or not, for ``reason``.

        ``wanted`` is the address it is to be connected to; ``rotation``: why that has failed while the former
        connection goes on. ``now`` by a monotonic clock.
        """
        if in_use == wanted:
            self.proven, self._failure = wanted, None
            return
        trouble = rotation if in_use is not None else reason
        if trouble is None or trouble in _UNDER_WAY:
            return
        if self.proven == wanted and trouble in _DISPROVES:
            self.proven = None
        self._failure = Rank.REFUSED if trouble is Reason.NOT_AUTHORIZED else Rank.FAILED
        self._failed_at = now

    def rank(self, wanted: str, *, now: timedelta) -> Rank:
        """How it stands with the broker at ``wanted``; ``now`` by the same clock."""
        if self.proven == wanted:
            return Rank.PROVEN
        if self._failure is not None and now < self._failed_at + FAILURE_COUNTS_FOR:
            return self._failure
        return Rank.UNTRIED


@dataclass(frozen=True, slots=True)
class ThingClaim:
    """What one Thing claims. ``address`` is that of the broker.

    ``fingerprints``: of the certificates that it has, in use and to be used.
    """

    key: ObjectKey
    thing_name: str
    address: str
    fingerprints: tuple[str, ...]
    seniority: Seniority

    def has_certificate_of(self, other: "ThingClaim") -> bool:
        """Whether both have one certificate."""
        return not set(self.fingerprints).isdisjoint(other.fingerprints)


@dataclass(frozen=True, slots=True)
class Addressing:
    """What the address of a broker says of the account behind it.

    As a rule nothing: a broker has several names and ports, so the host without its port, or the certificate, says that
    two Things are for one thing. ``account_per_address``: host and port alone say it.
    """

    account_per_address: bool = False

    def address(self, host: str, port: int) -> str:
        """Of a broker, so that one broker has one."""
        name = host.lower().rstrip(".")
        return f"{name}:{port}" if self.account_per_address else name

    def same_thing(self, one: ThingClaim, other: ThingClaim) -> bool:
        """Whether two Things of the same thing name are for the same thing."""
        if one.address == other.address:
            return True
        return not self.account_per_address and one.has_certificate_of(other)


def decide(
    claims: Collection[ThingClaim], ranks: Mapping[ObjectKey, Rank], addressing: Addressing
) -> dict[ObjectKey, ObjectKey | None]:
    """Of the Things that name one thing: None for each that may hold a session, else the one that it waits for."""
    holders: list[ThingClaim] = []
    found: dict[ObjectKey, ObjectKey | None] = {}
    for claim in sorted(claims, key=lambda each: (ranks[each.key], each.seniority)):
        holder = next((each for each in holders if addressing.same_thing(each, claim)), None)
        found[claim.key] = holder.key if holder is not None else None
        if holder is None:
            holders.append(claim)
    return found


@dataclass(slots=True)
class Claims:
    """All claims, by thing name."""

    _by_name: defaultdict[str, dict[ObjectKey, ThingClaim]] = field(default_factory=lambda: defaultdict(dict))
    _name_of: dict[ObjectKey, str] = field(default_factory=dict)

    def enter(self, claim: ThingClaim) -> None:
        """Enter a claim, in the place of the former one of this Thing."""
        self.withdraw(claim.key)
        self._by_name[claim.thing_name][claim.key] = claim
        self._name_of[claim.key] = claim.thing_name

    def withdraw(self, key: ObjectKey) -> str | None:
        """Take a claim out; returns the thing name that it was for, None when there was none."""
        name = self._name_of.pop(key, None)
        if name is not None:
            del self._by_name[name][key]
            if not self._by_name[name]:
                del self._by_name[name]
        return name

    def of_thing(self, name: str) -> tuple[ThingClaim, ...]:
        """All claims on things of this name."""
        return tuple(self._by_name.get(name, {}).values())
