"""One Lease that an operator wants: whose it is, when to write it, and whether the operator may run on it. Pure.

An operator of some namespaces has a claim on the Lease of each. One of all namespaces has a *home* claim, on one Lease
in a namespace that is the same for all such operators, and *local* claims, on Leases that others have made in single
namespaces. Where nobody has made one, home is enough. Who has all namespaces sees all Leases, who has some sees
those alone: so it is for the former to answer a Lease that is made beside its own, by taking it.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum, auto
from math import inf
from typing import Any, Final

from thing_operator.core.resource import ObjectKey
from thing_operator.leadership.lease import Lease, Sighting, lease_body

GRACE: Final = timedelta(seconds=0.5)
"""After it has taken a Lease of one namespace an operator waits for the answer of one of all namespaces."""
_LONGEST_GRACE: Final = timedelta(seconds=5)
_RENEWALS: Final = 5
"""How often a Lease is renewed in the time that it lasts."""
_LONGEST_INTERVAL: Final = timedelta(seconds=30)
_OF_REPLICAS: Final = 15
"""As so many Leases one of several replicas counts: each has one of its own besides, and is missed by that."""
_DENIED_PAUSE: Final = timedelta(seconds=10)
_ON_TIME: Final = 0.9
"""Of an interval: a timer that fires a little early must not cost a whole one."""
_RANK_STEP: Final = 0.5
_LAST_RANK: Final = 3
"""Of an interval: so much later each replica renews than the one before it, which it then need not do."""


class ClaimKind(Enum):
    """Which Leases a claim is about."""

    OWN = auto()
    """Of a namespace, wanted by an operator of some namespaces."""
    HOME = auto()
    """The one of an operator of all namespaces."""
    LOCAL = auto()
    """Of a namespace, made by somebody else, seen by an operator of all namespaces."""


@dataclass(frozen=True, slots=True)
class Terms:
    """What all claims of an operator have in common. ``has_ended``: whether a holder is known to have ended.

    ``rank``: of an operator that is several replicas, which of them this is: it writes where those before it do not.
    """

    me: str
    duration: timedelta
    has_ended: Callable[[str], bool]
    rank: Callable[[], int] | None = None

    @property
    def tick(self) -> timedelta:
        """How often a single Lease is renewed, and one that is waited for looked at."""
        return self.duration / _RENEWALS

    def interval(self, leases: int) -> timedelta:
        """How often each of so many is looked at: many together cost no more requests than one."""
        return max(self.tick, min(self.tick * leases, _LONGEST_INTERVAL))

    def renewal(self, leases: int) -> timedelta:
        """How often each of so many is renewed."""
        return self.interval(leases if self.rank is None else max(leases, _OF_REPLICAS))

    @property
    def patience(self) -> float:
        """So many intervals after a renewal, its own or another replica's, it renews a Lease."""
        return _ON_TIME + (_RANK_STEP * min(self.rank(), _LAST_RANK) if self.rank else 0)


class Claim:
    """The claim of one operator on one Lease. All times are seconds of its own monotonic clock."""

    def __init__(self, key: ObjectKey, kind: ClaimKind, terms: Terms, *, take_over: bool = False) -> None:
        self.key = key
        self.kind = kind
        self.take_over = take_over
        """Take it from a living holder; once."""
        self.runs = False
        """Whether the operator runs on it; set by who carries out what :meth:`may_run` says."""
        self.denied = ""
        """Why the API server does not let us have it."""
        self.needs_list = True
        """Whether somebody else may have run since all was listed last."""
        self._terms = terms
        self._sighting: Sighting[Lease] | None = None
        self._looked_at = self._renewed_at = self._written_at = -inf
        self._free_from = 0.0

    # --- what is known

    @property
    def lease(self) -> Lease | None:
        """The Lease as it was seen last."""
        return self._sighting.lease if self._sighting else None

    @property
    def is_mine(self) -> bool:
        """Whether it was ours when it was seen last."""
        return self.lease is not None and self.lease.holder == self._terms.me

    def other(self, now: float) -> Lease | None:
        """The Lease, when somebody else has it who may well be alive."""
        lease = self.lease
        if lease is None or self._sighting is None or self._sighting.is_over(now=now):
            return None
        return None if self.is_mine or self._terms.has_ended(lease.holder) else lease

    def is_confirmed(self, now: float) -> bool:
        """Whether it is ours, and nobody can have taken it since the last renewal; or not for us to have."""
        if self.denied:
            return True
        lease = self.lease
        return self.is_mine and lease is not None and now - self._renewed_at < lease.duration.total_seconds()

    def see(self, lease: Lease | None, *, now: float) -> None:
        """It was looked at, or the watch has shown it; None: it is absent."""
        former, was_mine, grace = self._sighting, self.is_mine, self._grace(now)
        self._sighting = Sighting(lease, now) if former is None else former.then(lease, now=now)
        if former is not None and self.is_mine and not was_mine:
            # The watch may be before the answer to our own write, and another replica may have written.
            self._free_from, self.needs_list = now + grace.total_seconds(), True
        if self._sighting is not former and self._terms.rank is not None and self.is_mine:
            # By another replica, perhaps: what is shown may be late.
            self._written_at = max(self._written_at, now)
            self._renewed_at = max(self._renewed_at, now - self._terms.tick.total_seconds())

    def looked(self, lease: Lease | None, *, now: float) -> None:
        """The API server was asked and has answered."""
        self._looked_at = now
        self.see(lease, now=now)

    def look_soon(self) -> None:
        """There is something new about it."""
        self._looked_at = -inf

    def interrupted(self, *, now: float) -> None:
        """The API server does not answer."""
        if self._sighting is not None:
            self._sighting = self._sighting.interrupted(now=now)

    def deny(self, why: str, *, now: float) -> None:
        """The API server does not let us have it."""
        self.denied, self._looked_at = why, now

    # --- what to do

    def wants_look(self, now: float, *, interval: timedelta) -> bool:
        """Whether to ask for it: what is not ours again and again, at such intervals; what is, before running on it."""
        if self.is_mine:
            return not self.runs and now >= self._free_from
        pause = max(interval, _DENIED_PAUSE) if self.denied else interval
        return now - self._looked_at >= pause.total_seconds() * _ON_TIME

    def wants_write(self, now: float, *, interval: timedelta, defends: bool) -> bool:
        """Whether to make, renew or take it. ``defends``: we had its namespace, without a break, before who has it."""
        lease = self.lease
        if self.is_mine and lease is not None:
            # It was written by one with fewer Leases, perhaps, or before there were replicas.
            pause = min(interval, lease.duration / _RENEWALS)
            return now - self._written_at >= pause.total_seconds() * self._terms.patience
        other = self.other(now)
        if other is not None:
            return self.take_over or self._defends(other, defends=defends)
        return lease is not None or self.kind is not ClaimKind.LOCAL

    def body(self, *, now: datetime, interval: timedelta) -> dict[str, Any]:
        """What to write then; ``now`` by the time of day, for people."""
        return lease_body(
            self.key,
            holder=self._terms.me,
            duration=interval * _RENEWALS,
            now=now,
            former=self.lease,
            taken_over=self.take_over or (self.is_mine and self.lease is not None and self.lease.taken_over),
        )

    def written(self, lease: Lease, *, asked_at: float, now: float) -> None:
        """The API server has taken what was written; it was sent at ``asked_at``."""
        if self._sighting is None:
            self.see(None, now=now)  # made before anybody looked
        self._renewed_at = self._written_at = asked_at
        self.take_over, self.denied = False, ""
        self.see(lease, now=now)

    def may_run(self, now: float, *, defends: bool) -> bool:
        """Whether the operator may run on it by now."""
        if self.is_mine:
            return self.runs or now >= self._free_from
        other = self.other(now)
        if other is not None:
            return self.runs and self._defends(other, defends=defends)
        if self.denied or (self.kind is ClaimKind.LOCAL and self.lease is None):
            return True
        return self.runs and self.lease is None  # deleted by somebody: it is made again

    @property
    def begins_at(self) -> float | None:
        """When the operator may run on it, if it was taken a moment ago."""
        return self._free_from if self.is_mine and not self.runs else None

    def _defends(self, other: Lease, *, defends: bool) -> bool:
        return self.kind is ClaimKind.LOCAL and self.runs and defends and not other.taken_over

    def _grace(self, now: float) -> timedelta:
        """How long to wait before running: until who had it has noticed, or who has more has answered."""
        other = self.other(now)
        if other is not None and not self.runs:
            return min(other.duration / (_RENEWALS - 1) + GRACE, _LONGEST_GRACE)
        is_successor = self.lease is not None and self._terms.has_ended(self.lease.holder)
        return GRACE if self.kind is ClaimKind.OWN and not is_successor else timedelta(0)
