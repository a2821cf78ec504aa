"""One Thing's values by path: what the spec says, the shadow desires and the device reports. Pure.

A status has no copy of the shadow's desired section. What of it is known follows from the delta, which has what
differs, and from what is reported, which is the same where the delta has nothing. Whether the shadow desires at all
what is reported as the spec has it follows from what was accepted, and from the managed paths.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from thing_operator.api.conditions import ConditionType, find_condition
from thing_operator.api.names import thing_name_of
from thing_operator.api.thing import Selection, ThingSpec, ThingStatus
from thing_operator.core.json_values import JsonObject, JsonValue, json_equal
from thing_operator.core.reasons import Reason
from thing_operator.inspection.bodies import (
    is_outdated,
    is_suspended,
    is_true,
    is_within,
    spec_of,
    status_of,
    value_at,
)
from thing_operator.inspection.model import Body, DiffRow, ThingDiff, ValueState
from thing_operator.shadow.merging import difference
from thing_operator.shadow.planning import DesiredPolicy
from thing_operator.shadow.pointers import Path, from_pointer, leaves, to_pointer
from thing_operator.twin.acceptance import is_accepted


def diff_of(body: Body, *, everything: bool = False) -> ThingDiff:
    """The values that the spec or the shadow desires; with ``everything`` also those that are merely reported."""
    spec, status = spec_of(body), status_of(body)
    seen = _Seen.of(spec, status, generation=body["metadata"].get("generation", 0))
    wanted = {path: value for path, value in leaves(spec.desired or {}) if value is not None}
    rows = [seen.row(path, value) for path, value in wanted.items()]
    others = {path: value for path, value in leaves(seen.delta) if not is_within(path, wanted)}
    rows += [seen.row(path, None) for path in others]
    if everything:
        known = wanted | others
        alone = ((path, value) for path, value in leaves(seen.reported) if not is_within(path, known))
        rows += [
            DiffRow(pointer=to_pointer(path), state=ValueState.REPORTED, reported=value)
            for path, value in alone
        ]
    return ThingDiff(
        namespace=body["metadata"]["namespace"],
        name=body["metadata"]["name"],
        thing_name=thing_name_of(body),
        rows=tuple(rows),
        notes=tuple(_notes(body, status, [row for row in rows if row.state is ValueState.UNKNOWN])),
    )


@dataclass(frozen=True, slots=True)
class _Seen:
    """What a status shows of the shadow."""

    reported: JsonObject
    delta: JsonObject
    pending: frozenset[str]
    managed: frozenset[str]
    shown: tuple[Path, ...]
    """What of ``reported`` would be in the status: below these."""
    is_accepted: bool
    """Whether the shadow's desired is known to have what this generation of the spec says."""
    are_managed_sent: bool
    """Whether the managed paths are those of what was accepted: they are written down before they are sent."""
    is_observing: bool
    """Nothing is ever sent."""
    status: ThingStatus

    @classmethod
    def of(cls, spec: ThingSpec, status: ThingStatus, *, generation: int) -> "_Seen":
        shadow = status.shadow
        in_sync = find_condition(status.conditions, ConditionType.IN_SYNC)
        drifted = in_sync is not None and in_sync.reason == Reason.DRIFT_DETECTED
        is_observing = spec.desired_policy is DesiredPolicy.OBSERVE
        is_held_back = bool(spec.suspend) or is_observing
        return cls(
            reported=(shadow.reported if shadow else None) or {},
            delta=(shadow.delta if shadow else None) or {},
            pending=frozenset((shadow.pending if shadow else None) or ()),
            managed=frozenset(status.managed_paths or ()),
            shown=_shown(spec, status),
            # Ready stays True of what is edited while spec.suspend is true, though nothing of it is sent.
            is_accepted=is_accepted(status, generation) and not drifted and not is_held_back,
            are_managed_sent=is_suspended(status) or is_accepted(status, status.observed_generation or 0),
            is_observing=is_observing,
            status=status,
        )

    def row(self, path: Path, wanted: JsonValue) -> DiffRow:
        """What is known of one path; ``wanted`` is None where the spec says nothing."""
        pointer = to_pointer(path)
        reported, delta = value_at(self.reported, path), value_at(self.delta, path)
        state = self._state(path, wanted, reported, delta)
        desired = delta
        if desired is None and state is ValueState.SAME:
            desired = wanted
        elif desired is None and self._is_sent(pointer) and pointer not in self.pending:
            desired = reported
        in_sync = find_condition(self.status.conditions, ConditionType.IN_SYNC)
        waits = state in {ValueState.PENDING, ValueState.FOREIGN} and in_sync is not None
        return DiffRow(
            pointer=pointer,
            state=state,
            spec=wanted,
            shadow_desired=desired,
            reported=reported,
            delta=delta,
            since=in_sync.last_transition_time if in_sync and waits else None,
        )

    def _state(self, path: Path, wanted: JsonValue, reported: JsonValue, delta: JsonValue) -> ValueState:
        if wanted is None:
            return ValueState.FOREIGN
        if delta is not None:
            return ValueState.PENDING if json_equal(wanted, delta) else ValueState.NOT_IN_SHADOW
        if to_pointer(path) in self.pending:
            return ValueState.PENDING
        if reported is not None:
            differs = difference({"": wanted}, {"": reported})
            return ValueState.NOT_IN_SHADOW if differs else self._state_of_equal(path)
        if self.is_accepted:
            return ValueState.SAME
        is_shown = self.status.shadow is not None and any(path[: len(each)] == each for each in self.shown)
        return ValueState.NOT_IN_SHADOW if is_shown else ValueState.UNKNOWN

    def _state_of_equal(self, path: Path) -> ValueState:
        """Of a value that is reported as the spec has it, and in no delta: the shadow desires the same, or nothing."""
        if self.is_accepted or self.is_observing:
            return ValueState.SAME
        pointer = to_pointer(path)
        if pointer not in self.managed:
            return ValueState.NOT_IN_SHADOW
        return ValueState.SAME if self._is_sent(pointer) else ValueState.UNKNOWN

    def _is_sent(self, pointer: str) -> bool:
        return pointer in self.managed and self.are_managed_sent


def _shown(spec: ThingSpec, status: ThingStatus) -> tuple[Path, ...]:
    mirror = spec.mirror
    if is_true(status, ConditionType.MIRROR_TRUNCATED) or (mirror and mirror.reported is Selection.NONE):
        return ()
    if mirror and mirror.reported is Selection.PATHS:
        return tuple(map(from_pointer, mirror.paths or ()))
    return ((),)


def _notes(body: Body, status: ThingStatus, unknown: list[DiffRow]) -> Iterator[str]:
    if is_outdated(body, status):
        generation, seen = body["metadata"]["generation"], status.observed_generation
        yield f"generation {generation} of the spec has not been seen yet; shadow and delta are of generation {seen}"
    if is_suspended(status):
        yield "suspended: shadow and delta are of before; what is changed now is sent when it is resumed"
    if status.shadow is None:
        yield "nothing of the shadow is in the status yet"
    elif any(row.reported is None for row in unknown):
        yield "reported values are shown as far as spec.mirror has them copied into the status"
    if any(row.reported is not None for row in unknown):
        yield "the spec is not accepted yet: what is reported as the spec has it may still have to be sent"
