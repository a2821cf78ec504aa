"""What to send to the shadow now, and what has to be persisted first. Pure."""

from dataclasses import dataclass

from thing_operator.api.thing import ThingSpec
from thing_operator.core.json_values import JsonObject
from thing_operator.device import CONNECTION_STATUS, PRESENCE_PATH, DeviceProgram, online_report
from thing_operator.shadow.documents import EMPTY_DOCUMENT, ShadowDocument
from thing_operator.shadow.merging import merge, without_nulls
from thing_operator.shadow.planning import DesiredPolicy, SectionPlan, plan_section
from thing_operator.shadow.validation import check_section
from thing_operator.twin.managed_paths import ManagedPaths


@dataclass(frozen=True, slots=True)
class UpdatePlan:
    """The next step towards the spec.

    ``desired``, ``facts``: what the two sections lack, None for nothing; ``presence``: what says that the thing is
    online, where the shadow says otherwise; ``acknowledgement``: what ends the delta. ``managed_before``: what the
    status must hold before any of it is sent; ``managed_after``: what it holds once the shadow is as desired.
    ``repair``: the pointers of what somebody else changed and is repaired; ``drift``: of what was changed and stands.
    """

    desired: JsonObject | None
    facts: JsonObject | None
    presence: JsonObject | None
    acknowledgement: JsonObject
    managed_before: ManagedPaths
    managed_after: ManagedPaths
    repair: tuple[str, ...]
    drift: tuple[str, ...]

    @property
    def lacks_something(self) -> bool:
        """Whether the shadow is not as the spec asks for, whenever that may be sent."""
        return bool(self.desired or self.facts)


@dataclass(frozen=True, slots=True)
class ShadowUpdate:
    """One update of the shadow: what goes under ``state.desired`` and ``state.reported``, None for nothing.

    ``repairs``, ``updates_presence``, ``acknowledges``: what it does that must not be done again too soon.
    """

    desired: JsonObject | None
    reported: JsonObject | None
    repairs: bool = False
    updates_presence: bool = False
    acknowledges: bool = False


def plan_update(
    *,
    spec: ThingSpec,
    program: DeviceProgram,
    managed: ManagedPaths,
    document: ShadowDocument | None,
    already_accepted: bool,
    document_limit: int,
) -> UpdatePlan:
    """Plan one update; ``document`` None means the shadow has not been read yet: then only ``managed_before`` counts.

    Raises InvalidDocumentError for a ``spec.desired`` that the shadow service would refuse.
    """
    shadow = document or EMPTY_DOCUMENT
    desired = _plan_desired(
        spec, managed, shadow, already_accepted=already_accepted, document_limit=document_limit
    )
    simulated = program.simulated
    reported = plan_section(
        wanted=program.facts,
        policy=DesiredPolicy.MERGE,
        managed=[pointer for pointer in managed.reported if pointer not in simulated],
        current=shadow.reported,
    )
    facts, presence = _without_presence(reported.patch, program)
    repair = (
        *(desired.drift if desired.patch else ()),
        *(f"reported {pointer}" for pointer in reported.drift if pointer != CONNECTION_STATUS),
    )
    return UpdatePlan(
        desired=desired.patch,
        facts=facts,
        presence=presence,
        acknowledgement=program.answer(shadow),
        managed_before=ManagedPaths(desired.managed_before, _joined(reported.managed_before, simulated)),
        managed_after=ManagedPaths(desired.managed_after, _joined(reported.managed_after, simulated)),
        repair=repair if already_accepted else (),
        drift=() if desired.patch else desired.drift,
    )


def check_desired(spec: ThingSpec, *, document_limit: int) -> None:
    """Raises InvalidDocumentError for a ``spec.desired`` that the shadow service would refuse."""
    if spec.desired_policy is not DesiredPolicy.OBSERVE:
        check_section(spec.desired or {}, name="spec.desired", document_limit=document_limit, null_keys=True)


def choose_update(
    plan: UpdatePlan,
    *,
    is_current: bool,
    may_repair: bool,
    may_update_presence: bool,
    may_acknowledge: bool,
) -> ShadowUpdate | None:
    """What of a plan to send now; None for nothing.

    A repair, the presence and an acknowledgement each wait their own time. A delta is not acknowledged while the
    desired state is about to change: the acknowledgement would be out of date. Of a spec that may not be
    ``is_current`` nothing is sent: the shadow may be as a newer one says.
    """
    repairs = bool(plan.repair) and may_repair and is_current
    held_back = not is_current or (bool(plan.repair) and not may_repair)
    desired = None if held_back else plan.desired
    reported: JsonObject = {} if held_back else plan.facts or {}
    updates_presence = bool(plan.presence) and may_update_presence
    if updates_presence:
        reported = merge(reported, plan.presence or {})
    acknowledges = bool(plan.acknowledgement) and may_acknowledge and desired is None
    if acknowledges:
        reported = merge(reported, plan.acknowledgement)
    if not desired and not reported:
        return None
    return ShadowUpdate(
        desired,
        reported or None,
        repairs=repairs,
        updates_presence=updates_presence,
        acknowledges=acknowledges,
    )


def _plan_desired(
    spec: ThingSpec,
    managed: ManagedPaths,
    shadow: ShadowDocument,
    *,
    already_accepted: bool,
    document_limit: int,
) -> SectionPlan:
    policy = spec.desired_policy or DesiredPolicy.MERGE
    check_desired(spec, document_limit=document_limit)
    return plan_section(
        wanted={} if policy is DesiredPolicy.OBSERVE else without_nulls(spec.desired or {}),
        policy=policy,
        managed=managed.desired,
        current=shadow.desired,
        once_done=already_accepted,
    )


def _without_presence(
    patch: JsonObject | None, program: DeviceProgram
) -> tuple[JsonObject | None, JsonObject | None]:
    """The patch without ``tcxn.connection_status``, and that by itself."""
    section, key = PRESENCE_PATH
    below = (patch or {}).get(section)
    if patch is None or not program.presence or not isinstance(below, dict) or key not in below:
        return patch, None
    facts = patch | {section: {name: value for name, value in below.items() if name != key}}
    if not facts[section]:
        del facts[section]
    return facts or None, online_report()


def _joined(pointers: tuple[str, ...], simulated: frozenset[str]) -> tuple[str, ...]:
    return tuple(sorted(simulated.union(pointers)))
