"""This member's own Lease: when to renew it, what has become of it, and how fresh what it vouches for is. Pure."""

from collections.abc import Callable
from dataclasses import dataclass
from math import inf
from typing import Final

from thing_operator.sharding.member import Fellows, MemberLease

_ON_TIME: Final = 0.9
"""Of an interval: a timer that fires a little early must not cost a whole one."""
_VOUCHED: Final = 0.8
"""Of a Lease's duration: so long after it was renewed nobody can have taken it, with a margin."""
_KEPT: Final = 16


@dataclass(frozen=True, slots=True)
class Timing:
    """Seconds: how long a Lease lasts, when it is renewed, and how long the members must have stood still before
    shards move of free will. ``patience``: how long who finds nobody waits for others before it takes everything.
    """

    duration: float
    interval: float
    calm: float
    patience: float = 2.0

    @property
    def vouched(self) -> float:
        """So long after a renewal was sent nobody can have fenced the member."""
        return _VOUCHED * self.duration


@dataclass(frozen=True, slots=True)
class Renewal:
    """When a renewal was sent: by the clock of Leases, which goes on while the machine sleeps, and that of sessions."""

    sent_at: float = -inf
    sent_at_monotonic: float = -inf


class OwnLease:
    """The Lease by which this process is a member. A renewal counts when the watch, or a list, has shown it: then also
    every change of the map before it was shown.
    """

    def __init__(
        self, name: str, identity: str, *, fellows: Fellows, timing: Timing, has_ended: Callable[[str], bool]
    ) -> None:
        """``has_ended``: whether the process of an identity is known to have ended."""
        self.name = name
        self.denied = ""
        """Why the API server does not let us have it; never after it has."""
        self._first_identity = identity
        self.times_fenced = 0
        """How often others have taken it."""
        self._fellows = fellows
        self._timing = timing
        self._has_ended = has_ended
        self._sent: dict[str, Renewal] = {}
        self._asked_at = -inf
        self._confirmed = Renewal()
        self._was_joined = False

    @property
    def identity(self) -> str:
        """As which this process is a member: another one each time that it was fenced."""
        return f"{self._first_identity}+{self.times_fenced}" if self.times_fenced else self._first_identity

    @property
    def lease(self) -> MemberLease | None:
        """It as it was seen last."""
        return self._fellows.lease(self.name)

    @property
    def is_joined(self) -> bool:
        """Whether it was ours when it was seen last."""
        lease = self.lease
        return lease is not None and lease.holder == self.identity

    def age(self, now: float) -> float:
        """Seconds since the renewal that was confirmed last was sent."""
        return now - self._confirmed.sent_at

    def is_fresh(self, now: float) -> bool:
        """Whether nobody can have fenced this member, nor changed the map unseen for longer than that."""
        return self.is_joined and self.age(now) <= self._timing.vouched

    def is_renewed_since(self, moment: float) -> bool:
        """Whether a renewal was sent after this moment of the sessions' clock, and confirmed."""
        return self._confirmed.sent_at_monotonic > moment

    def wants_write(self, now: float) -> bool:
        """Whether to make, renew or take it."""
        if self.is_joined:
            return now - self._asked_at >= _ON_TIME * self._timing.interval
        lease = self.lease
        if lease is None or not lease.holder or self._has_ended(lease.holder.partition("+")[0]):
            return True
        return self._fellows.is_over(self.name, now=now)

    def sending(self, renewal: Renewal, *, renewed: str) -> None:
        """It is about to be written, with this text for the time of the renewal."""
        self._asked_at = renewal.sent_at
        self._sent[renewed] = renewal
        while len(self._sent) > _KEPT:
            del self._sent[next(iter(self._sent))]

    def seen(
        self, shown: MemberLease | None, *, former: MemberLease | None, now: float, in_order: bool
    ) -> bool:
        """It was shown, and was ``former`` before. ``in_order``: with all that was before it, by the watch or a list.

        Returns whether the member has been fenced. It has also when its Lease is deleted after a time in which
        somebody may have fenced it and deleted what was left of it.
        """
        lease = self.lease
        if self.is_joined and lease is not None:
            is_another = former is not None and former.uid != lease.uid
            if self._was_joined and is_another and self.age(now) > self._timing.vouched:
                return self._fenced()
            self._was_joined, self.denied = True, ""
            if (
                in_order
                and shown is not None
                and shown.holder == self.identity
                and shown.renewed in self._sent
            ):
                self._confirmed = max(
                    self._confirmed, self._sent[shown.renewed], key=lambda each: each.sent_at
                )
            return False
        if not self._was_joined or (lease is None and self.age(now) <= self._timing.vouched):
            return False
        return self._fenced()

    def deny(self, why: str) -> bool:
        """The API server does not let us have it: without ever having had it, this process is a group of its own.

        Returns whether that is so from now on.
        """
        if self._was_joined or self.times_fenced or self.denied:
            return False
        self.denied = why
        return True

    def hurry(self) -> None:
        """It is to be written at once."""
        self._asked_at = -inf

    def _fenced(self) -> bool:
        self.times_fenced += 1
        self._was_joined = False
        self._confirmed, self._sent = Renewal(), {}
        return True
