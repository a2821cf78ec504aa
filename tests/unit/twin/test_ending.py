"""What a Thing that is deleted does to its shadow, by policy, and who else has the session."""

import pytest

from thing_operator.api.thing import ThingSpec
from thing_operator.twin.ending import Ending, ending_of, left_as_it_is, needs_finalizer
from thing_operator.twin.managed_paths import ManagedPaths

NOTHING = ManagedPaths()
KEYS = ManagedPaths(desired=("/a", "/b"), reported=("/fact",))
RELEASE, HANDS_OFF, WORK = Ending.RELEASE, Ending.HANDS_OFF, Ending.WORK


def spec(policy: str | None, *, suspend: bool = False) -> ThingSpec:
    return ThingSpec.model_validate({"deletionPolicy": policy, "suspend": suspend})


@pytest.mark.parametrize(
    ("policy", "managed", "alone", "suspended", "beside_another"),
    [
        (None, KEYS, RELEASE, RELEASE, RELEASE),
        ("Retain", KEYS, RELEASE, RELEASE, RELEASE),
        ("Clear", KEYS, WORK, HANDS_OFF, HANDS_OFF),
        ("Clear", ManagedPaths(reported=("/fact",)), WORK, HANDS_OFF, HANDS_OFF),
        # Nothing was ever sent: what is remembered is written down before.
        ("Clear", NOTHING, RELEASE, RELEASE, RELEASE),
        ("Delete", KEYS, WORK, HANDS_OFF, HANDS_OFF),
        ("Delete", NOTHING, WORK, HANDS_OFF, HANDS_OFF),
    ],
)
def test_the_shadow_is_worked_on_only_where_that_ends_nobodys_session(
    policy: str | None, managed: ManagedPaths, alone: Ending, suspended: Ending, beside_another: Ending
) -> None:
    assert needs_finalizer(spec(policy)) == needs_finalizer(spec(policy, suspend=True))
    assert needs_finalizer(spec(policy)) == (policy in {"Clear", "Delete"})
    assert ending_of(spec(policy), managed, is_suspended=False, is_run_by_another=False) is alone
    assert ending_of(spec(policy), managed, is_suspended=True, is_run_by_another=False) is suspended
    assert ending_of(spec(policy), managed, is_suspended=False, is_run_by_another=True) is beside_another


def test_a_spec_that_cannot_be_read_has_its_time_to_be_corrected() -> None:
    assert ending_of(None, KEYS, is_suspended=False, is_run_by_another=False) is WORK


def test_what_is_left_is_named_with_the_reason_and_the_remedy() -> None:
    suspended = left_as_it_is(spec("Clear"), KEYS, is_suspended=True)
    for part in ("deletionPolicy is Clear", "suspended", "has set /a, /b, /fact)", "in MIC", "resume"):
        assert part in suspended
    many = ManagedPaths(desired=tuple(f"/k{number}" for number in range(9)))
    other = left_as_it_is(spec("Delete"), many, is_suspended=False)
    for part in ("deletionPolicy is Delete", "another Thing runs it", "/k0, /k1, /k2, /k3, /k4 and 4 more)"):
        assert part in other
    assert "has set" not in left_as_it_is(spec("Delete"), NOTHING, is_suspended=False)
