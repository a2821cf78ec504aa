"""What one update has to say so that a section of the shadow becomes as wanted. The heart of the operator.

Pure, and safe to repeat: planning on its own result gives nothing to send. The memory is ``managed``, the
JSON Pointers of the leaves that we have set or were about to set. It is written down before an update that
adds to it and shrunk only after the update was accepted, so that a crash at any instant leaves no key in the
shadow that nobody remembers.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from enum import StrEnum

from thing_operator.core.json_values import JsonObject, JsonValue, json_equal
from thing_operator.shadow.merging import merge
from thing_operator.shadow.pointers import Path, from_pointer, get, leaves, put, to_pointer


class DesiredPolicy(StrEnum):
    """How far a section of the shadow is enforced against what others write."""

    MERGE = "Merge"
    """Our keys are enforced, other people's keys are left alone."""
    EXACT = "Exact"
    """The section is exactly what is wanted."""
    ONCE = "Once"
    """As MERGE until it is done once; then nothing is sent, and what others change is drift."""
    OBSERVE = "Observe"
    """Nothing is ever sent."""


@dataclass(frozen=True, slots=True)
class SectionPlan:
    """The next step for one section.

    ``patch``: what to send under ``state.<section>``, None for nothing. ``managed_before``: the pointers to
    have written down before sending. ``managed_after``: the pointers once the patch is accepted (or now, when
    there is none). ``drift``: pointers of managed leaves that somebody else changed or removed, and under
    EXACT of leaves that somebody else added. All sorted.
    """

    patch: JsonObject | None
    managed_before: tuple[str, ...]
    managed_after: tuple[str, ...]
    drift: tuple[str, ...]


def plan_section(
    *,
    wanted: JsonObject,
    policy: DesiredPolicy,
    managed: Collection[str],
    current: JsonObject,
    once_done: bool = False,
) -> SectionPlan:
    """Plan one section. ``managed`` is what is written down, ``current`` the section in the shadow.

    ``once_done`` counts under ONCE only: what is wanted now has been accepted before.
    """
    remembered = set(managed)
    unchanged = tuple(sorted(managed))
    if policy is DesiredPolicy.OBSERVE:
        return SectionPlan(None, unchanged, unchanged, ())
    own = {to_pointer(path): (path, value) for path, value in leaves(wanted)}
    drift = {pointer for pointer in own.keys() & remembered if not _stands(*own[pointer], current)}
    if policy is DesiredPolicy.ONCE and once_done:
        return SectionPlan(None, unchanged, unchanged, tuple(sorted(drift)))
    exact = policy is DesiredPolicy.EXACT
    patch = _settings(wanted, current, exact=exact)
    if exact:
        drift |= _added(wanted, remembered, current)
    else:
        _remove(patch, wanted=wanted, left=sorted(remembered - own.keys()), current=current)
    return SectionPlan(
        patch=patch or None,
        managed_before=tuple(sorted(own.keys() | remembered)),
        managed_after=tuple(sorted(own)),
        drift=tuple(sorted(drift)),
    )


def _settings(wanted: JsonObject, current: JsonObject, *, exact: bool) -> JsonObject:
    """The part of ``wanted`` that ``current`` lacks or has otherwise; ``exact``: and null for every other key.

    Unless exact, an empty object asks for any object.
    """
    patch: JsonObject = {key: None for key in current if key not in wanted} if exact else {}
    for key, value in wanted.items():
        actual = current.get(key)
        if isinstance(value, dict) and isinstance(actual, dict):
            below = _settings(value, actual, exact=exact)
            if below:
                patch[key] = below
        elif key not in current or not json_equal(value, actual):
            patch[key] = value
    return patch


def _remove(patch: JsonObject, *, wanted: JsonObject, left: Iterable[str], current: JsonObject) -> None:
    """Add null for each leaf that is no longer wanted, and for the objects that this leaves empty.

    ``left``: the managed pointers that are no leaf of ``wanted`` any more.
    """
    unwanted = [path for path in map(from_pointer, left) if not _is_spoken_for(path, wanted)]
    for path in unwanted:
        if _is_removable(path, current):
            put(patch, path, None)
    for path in unwanted:
        for length in range(len(path) - 1, 0, -1):
            ancestor = path[:length]
            if _finds(wanted, ancestor) or _value(merge(current, patch), ancestor) != {}:
                break
            put(patch, ancestor, None)


def _is_spoken_for(path: Path, wanted: JsonObject) -> bool:
    """Whether ``wanted`` says what becomes of this path: it holds it, or something else in its place."""
    value: JsonValue = wanted
    for key in path:
        if not isinstance(value, dict):
            return True
        if key not in value:
            return False
        value = value[key]
    return True


def _is_removable(path: Path, current: JsonObject) -> bool:
    """Whether there is something to remove. An object with keys in it is others' work by now and stays."""
    value = _value(current, path)
    return value is not _NOTHING and not (isinstance(value, dict) and value)


def _stands(path: Path, value: JsonValue, current: JsonObject) -> bool:
    actual = _value(current, path)
    if actual is _NOTHING:
        return False
    if value == {} and isinstance(value, dict):
        return isinstance(actual, dict)
    return json_equal(value, actual)


def _added(wanted: JsonObject, managed: set[str], current: JsonObject) -> set[str]:
    """Leaves that are neither wanted nor ours."""
    found = {to_pointer(path) for path, _ in leaves(current) if not _is_spoken_for(path, wanted)}
    return found - managed


_NOTHING = object()


def _value(section: JsonObject, path: Path) -> JsonValue:
    try:
        return get(section, path)
    except KeyError:
        return _NOTHING


def _finds(section: JsonObject, path: Path) -> bool:
    return _value(section, path) is not _NOTHING
