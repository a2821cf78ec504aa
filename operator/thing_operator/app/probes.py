"""What startup and readiness ask of the operator. Read from the probes' thread: plain values only."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from functools import partial
from typing import Protocol

from thing_operator.api.names import BATCHES
from thing_operator.app.supervisor import Supervisor
from thing_operator.app.watch_monitor import WatchMonitor
from thing_operator.core.clock import Clock
from thing_operator.observability.checks import CheckResult, Checks

_MISSED_RESYNCS = 3
_OWN_WATCH_PATIENCE = timedelta(minutes=1)
"""For so long a watch may be broken: the longest pause between two tries."""


class OwnWatch(Protocol):
    """A watch of our own, which knows for how long it has been broken."""

    @property
    def broken_for(self) -> timedelta:
        """For how long it has not worked; 0 while it does."""


class Progress:
    """How far the lists have come."""

    def __init__(self, *, clock: Clock, resync_interval: timedelta) -> None:
        self._clock = clock
        self._patience = _MISSED_RESYNCS * resync_interval.total_seconds() + 60
        self._listed_at: float | None = None
        self.crds_missing = False

    def listed(self) -> None:
        """All objects were listed and compared."""
        self._listed_at = self._clock.monotonic()
        self.crds_missing = False

    def first_lists(self) -> CheckResult:
        """Whether it was ever done."""
        done = self._listed_at is not None
        return CheckResult(done, "done" if done else "Things and ThingBatches are being listed")

    def resync(self) -> CheckResult:
        """Whether it was done lately."""
        if self._listed_at is None:
            return CheckResult(ok=False, detail="not done yet")
        age = self._clock.monotonic() - self._listed_at
        return CheckResult(
            age < self._patience, f"done {age:.0f} s ago; at most {self._patience:g} s is fine"
        )

    def crds(self) -> CheckResult:
        """Whether the cluster knows our kinds."""
        if self.crds_missing:
            return CheckResult(ok=False, detail="the cluster does not know Things any more: install the CRDs")
        return CheckResult(ok=True, detail="served")


def startup_checks(progress: Progress) -> Checks:
    """Whether the operator has begun to work, by the names of the checks."""
    return {"firstLists": progress.first_lists}


def ready_checks(
    *,
    progress: Progress,
    supervisor: Supervisor,
    own_watches: Mapping[str, OwnWatch],
    kopf_watches: WatchMonitor,
    namespaces: Sequence[str],
) -> Checks:
    """Whether every part of it goes on, by the names of the checks. ``namespaces`` empty: all."""
    return {
        "crds": progress.crds,
        "resync": progress.resync,
        "tasks": supervisor.check,
        **{name: partial(_own_watch, watch) for name, watch in own_watches.items()},
        **{
            f"thingBatchWatch{f' in {namespace}' if namespace else ''}": partial(
                kopf_watches.check, BATCHES.path(namespace)
            )
            for namespace in namespaces or (None,)
        },
    }


def _own_watch(watch: OwnWatch) -> CheckResult:
    broken = watch.broken_for
    detail = f"broken for {broken.total_seconds():.0f} s" if broken else "open"
    return CheckResult(broken < _OWN_WATCH_PATIENCE, detail)
