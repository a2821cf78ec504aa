"""What startup and readiness ask of the operator. Read from the probes' thread: plain values only."""

from collections.abc import Sequence
from datetime import timedelta
from functools import partial

from thing_operator.core.clock import Clock
from thing_operator.core.errors import INSTALL_CRDS
from thing_operator.intents.intent_log import IntentLog
from thing_operator.observability.checks import Check, CheckResult, Checks
from thing_operator.watching.stream_health import StreamHealth

_MISSED_RESYNCS = 3
_PATIENCE = timedelta(minutes=1)
"""For so long a watch may be broken before the operator is not ready: a restarted API server is back sooner."""


class Progress:
    """How far the lists have come, and how the watches are doing: each kind in each namespace for itself.

    ``objects`` are the streams that are compared with the API server's list time and again, ``others`` are not.
    """

    def __init__(
        self,
        objects: Sequence[StreamHealth],
        others: Sequence[StreamHealth],
        *,
        clock: Clock,
        resync_interval: timedelta,
    ) -> None:
        self._clock = clock
        self._longest_ago = _MISSED_RESYNCS * resync_interval.total_seconds() + 60
        self._objects = objects
        self._others = others
        self.has_begun = False
        """Whether what could be listed at the start is listed, and reconciled."""

    def startup(self) -> CheckResult:
        """As :meth:`first_lists`, but an API server in trouble does not fail it: a restart would not help."""
        found = self.first_lists()
        in_trouble = any(each.trouble for each in (*self._objects, *self._others))
        return CheckResult(found.ok or in_trouble, found.detail)

    def first_lists(self) -> CheckResult:
        """Whether it has begun; until then, what it waits for."""
        if self.has_begun:
            return CheckResult(ok=True, detail="done")
        waiting = [
            f"{each.name} ({each.trouble})" if each.trouble else each.name
            for each in (*self._objects, *self._others)
            if not each.answered.is_set()
        ]
        return CheckResult(ok=False, detail=f"being listed: {', '.join(waiting)}")

    def resync(self) -> CheckResult:
        """Whether all was compared with the API server's lists lately."""
        now = self._clock.monotonic()
        late = [
            each.name
            for each in self._objects
            if each.listed_at is None or now - each.listed_at > self._longest_ago
        ]
        limit = f"at most {self._longest_ago:g} s ago is fine"
        return CheckResult(
            ok=not late, detail=f"too long ago for {', '.join(late)}; {limit}" if late else f"done; {limit}"
        )

    def crds(self) -> CheckResult:
        """Whether the cluster knows our kinds."""
        unknown = sorted({each.resource.plural for each in self._objects if each.is_unknown})
        if unknown:
            detail = f"the cluster does not know {' and '.join(unknown)}: {INSTALL_CRDS}"
            return CheckResult(ok=False, detail=detail)
        return CheckResult(ok=True, detail="served")

    def watches(self) -> Checks:
        """One check for each watch, by its name."""
        return {each.check_name: partial(_watch, each) for each in (*self._objects, *self._others)}


def startup_checks(progress: Progress) -> Checks:
    """Whether the operator has begun to work, by the names of the checks."""
    return {"firstLists": progress.startup}


def log_check(intents: IntentLog) -> Check:
    """What readiness says of the log of intents. Without it all works, only with more writes."""

    def check() -> CheckResult:
        return CheckResult(ok=True, detail=f"not used: {intents.trouble}" if intents.trouble else "used")

    return check


def ready_checks(*, progress: Progress, tasks: Check, kopf: Check) -> dict[str, Check]:
    """Whether every part of it goes on, by the names of the checks."""
    return {
        "firstLists": progress.first_lists,
        "crds": progress.crds,
        "resync": progress.resync,
        "tasks": tasks,
        "kopf": kopf,
        **progress.watches(),
    }


def _watch(health: StreamHealth) -> CheckResult:
    broken = health.broken_for
    if not broken:
        return CheckResult(ok=True, detail="open" if health.answered.is_set() else "not open yet")
    return CheckResult(broken < _PATIENCE, f"broken for {broken.total_seconds():.0f} s: {health.trouble}")
