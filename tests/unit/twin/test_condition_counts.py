"""Things by condition, counted as they change."""

from hypothesis import given
from hypothesis import strategies as st
from tests.support.clock import START

from thing_operator.api.conditions import Condition, condition_keys
from thing_operator.twin.condition_counts import ConditionCounts, ConditionSet


def ready(reason: str) -> tuple[Condition, ...]:
    return (
        Condition(
            type="Ready",
            status="True" if reason == "Accepted" else "False",
            reason=reason,
            message="",
            observed_generation=1,
            last_transition_time=START,
        ),
    )


@given(st.lists(st.tuples(st.integers(0, 3), st.sampled_from(["Accepted", "Pending", "Expired", None]))))
def test_the_count_is_that_of_the_things(changes: list[tuple[int, str | None]]) -> None:
    counts = ConditionCounts()
    conditions: dict[int, ConditionSet] = {}
    truth: dict[int, str] = {}
    for thing, reason in changes:
        if reason is None:
            counts.leave(conditions.pop(thing, None))
            truth.pop(thing, None)
        else:
            conditions[thing] = counts.move(conditions.get(thing), condition_keys(ready(reason)))
            truth[thing] = reason
    found = {key[2]: count for key, count in counts.condition_keys().items()}
    assert found == {reason: list(truth.values()).count(reason) for reason in truth.values()}
