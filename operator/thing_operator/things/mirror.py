"""The short cut: a report that asks for nothing but a new mirror of the shadow in status needs no reconcile.

Most of what a session hears is a device that reports: nothing to send, no condition to change. A whole reconcile for
each costs several times what the mirror costs, and at a hundred reports a second it was the greatest part of the
operator's work.
"""

from dataclasses import dataclass, replace
from enum import Enum, auto
from functools import partial

from thing_operator.api.thing import MirrorSpec
from thing_operator.core.json_values import json_equal
from thing_operator.device import DeviceProgram
from thing_operator.kube.snapshot import ObjectSnapshot
from thing_operator.session import SessionView, ShadowSession
from thing_operator.shadow.documents import ShadowDocument
from thing_operator.shadow.merging import difference
from thing_operator.things.publisher import StatusPublisher
from thing_operator.things.shadow_sync import SyncOutcome
from thing_operator.twin.mirrored import is_truncated
from thing_operator.twin.observation import Observation
from thing_operator.twin.status import shadow_status
from thing_operator.twin.value_metrics import MetricValue, no_numbers, values_of


@dataclass(slots=True)
class MirrorOnly:
    """A Thing after a reconcile that found nothing to do and nothing wrong. ``view`` is what its status shows."""

    generation: int
    view: SessionView
    program: DeviceProgram
    mirror: MirrorSpec | None

    def mirrored(self, view: SessionView) -> ShadowDocument | None:
        """What is to be mirrored, if a reconcile of what the session sees now would change nothing else; None if it
        would.

        A reconcile sends and judges nothing else as long as these stand: the session itself, that there is a shadow,
        what is desired, what of it is pending, and our facts in ``reported``.
        """
        before, now = self.view.document, view.document
        if before is None or now is None or not now.version or replace(self.view, document=now) != view:
            return None
        if not _same_desired(before, now) or difference(self.program.facts, now.reported):
            return None
        if is_truncated(before, self.mirror) != is_truncated(now, self.mirror):
            return None
        if no_numbers(before.reported, self.mirror) != no_numbers(now.reported, self.mirror):
            return None
        return now


class Busy(Enum):
    """What a Thing's mirror is while a report may not go into status by itself."""

    IDLE = auto()
    """Not reconciled yet, or something is amiss or waits: a change of the session asks for a reconcile."""
    RECONCILING = auto()
    """A reconcile is under way."""
    RECONCILING_CHANGED = auto()
    """A reconcile is under way and the session has changed since it began."""


class Mirror:
    """One Thing's way around the reconcile, as one state.

    IDLE ---------> RECONCILING --> RECONCILING_CHANGED
      ^                  |                  |
      |                  v                  v
      +---- amiss --- finish ---- steady: MirrorOnly --> RECONCILING ...
    """

    __slots__ = ("_state", "values")

    def __init__(self) -> None:
        self._state: Busy | MirrorOnly = Busy.IDLE
        self.values: tuple[MetricValue, ...] = ()
        """What was reported last of that which ``spec.mirror.metrics`` asks for."""

    def begin(self) -> None:
        """A reconcile begins: reports are left to it."""
        self._state = Busy.RECONCILING

    def observe(self, observation: Observation) -> None:
        """A reconcile has seen what is reported; without a session, what was known stands."""
        view = observation.session or observation.last_view
        if view is not None and view.document is not None:
            self.values = values_of(view.document.reported, observation.mirror)
        elif observation.mirror is None or not observation.mirror.metrics:
            self.values = ()

    def finish(self, steady: MirrorOnly | None) -> bool:
        """A reconcile ends in ``steady``, None when it failed or something is left to be done.

        Returns whether another one is needed. Most of what changes during a reconcile is the answer to what the
        reconcile itself has sent: it asks for another one only if this one did not end with all of it seen.
        """
        changed = self._state is Busy.RECONCILING_CHANGED
        self._state = steady or Busy.IDLE
        return changed and steady is None

    def note_change(self) -> bool:
        """The session has changed; True when the reconcile under way will see to it."""
        if isinstance(self._state, MirrorOnly) or self._state is Busy.IDLE:
            return False
        self._state = Busy.RECONCILING_CHANGED
        return True

    def steady(self) -> MirrorOnly | None:
        """The state in which a report needs no reconcile, None in any other."""
        return self._state if isinstance(self._state, MirrorOnly) else None


def mirror_report(
    snapshot: ObjectSnapshot, mirror: Mirror, session: ShadowSession | None, publisher: StatusPublisher
) -> bool:
    """Bring what a session reports into status; False when that needs a reconcile of its own."""
    if mirror.note_change():
        return True
    steady = mirror.steady()
    if steady is None or session is None:
        return False
    view = session.view
    if view is steady.view:
        return True
    document = steady.mirrored(view)
    if document is None or snapshot.generation != steady.generation:
        return False
    steady.view = view
    mirror.values = values_of(document.reported, steady.mirror)
    publisher.mirror(snapshot, partial(shadow_status, document, steady.mirror), steady.mirror)
    return True


def mirror_only(
    observation: Observation, outcome: SyncOutcome, *, program: DeviceProgram | None
) -> MirrorOnly | None:
    """What stays true after this reconcile until something else than a report comes; None when something is amiss,
    waits for its time, or was not looked at yet.
    """
    view = observation.session
    if program is None or view is None or view.document is None or not view.connected:
        return None
    # The shadow may have changed after the plan was made: then it is the next reconcile that ends steady.
    current = outcome.document is view.document and view.document.version > 0
    problem = (
        observation.blocking_problem
        or observation.credentials_problem
        or observation.request_problem
        or observation.device_problem
        or view.pending_identity_error
    )
    if problem or not current or not outcome.accepted or outcome.drift or outcome.requeue_after:
        return None
    return MirrorOnly(observation.generation, view, program, observation.mirror)


def _same_desired(before: ShadowDocument, now: ShadowDocument) -> bool:
    """Whether what is desired, since when, and what of it is pending are the same."""
    since = now.desired_metadata == before.desired_metadata
    return since and json_equal(now.desired, before.desired) and json_equal(now.delta, before.delta)
