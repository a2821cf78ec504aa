"""News of the shadow that asks for nothing but a new mirror of it in status. Pure.

Most of what a session hears is a device that reports: nothing to send, no condition to change. A whole pass for each
costs several times what the mirror costs, and at a hundred reports a second it was the greatest part of the
operator's work.
"""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from thing_operator.api.thing import MirrorSpec, ShadowStatus
from thing_operator.device import DeviceProgram
from thing_operator.session import SessionView
from thing_operator.shadow.documents import ShadowDocument
from thing_operator.shadow.merging import difference
from thing_operator.shadow.values import json_equal
from thing_operator.things.observation import Observation
from thing_operator.things.status import shadow_status

if TYPE_CHECKING:
    from thing_operator.things.shadow_sync import SyncOutcome


@dataclass(slots=True)
class Settled:
    """A Thing after a pass that found nothing to do and nothing wrong. ``view`` is what its status tells of."""

    generation: int
    view: SessionView
    program: DeviceProgram
    mirror: MirrorSpec | None

    def mirrored(self, view: SessionView) -> ShadowStatus | None:
        """The new mirror, if a pass over what the session sees now would change nothing else; None if it takes a pass.

        A pass sends and judges nothing else as long as these stand: the session itself, that there is a shadow, what
        is desired, what of it is pending, and our facts in ``reported``.
        """
        before, now = self.view.document, view.document
        if before is None or now is None or replace(self.view, document=now) != view:
            return None
        if not _same_wishes(before, now) or difference(self.program.facts, now.reported):
            return None
        return shadow_status(now, self.mirror)


def settle(seen: Observation, done: "SyncOutcome", *, program: DeviceProgram | None) -> Settled | None:
    """What stays true after this pass until something else than a report comes; None when something is amiss, waits
    for its time, or was not looked at yet.
    """
    view = seen.session
    if program is None or view is None or view.document is None or not view.connected:
        return None
    # The shadow may have changed after the plan was made: then it is the next pass that settles.
    current = done.document is view.document and view.document.version > 0
    amiss = seen.blocked or seen.credentials_problem or seen.request_problem or seen.device_problem
    if not current or not done.accepted or amiss or done.drift or done.again or view.pending_identity_error:
        return None
    return Settled(seen.generation, view, program, seen.mirror)


def _same_wishes(before: ShadowDocument, now: ShadowDocument) -> bool:
    """Desired, since when it is so, and what of it is pending."""
    since = now.desired_metadata == before.desired_metadata
    return since and json_equal(now.desired, before.desired) and json_equal(now.delta, before.delta)
