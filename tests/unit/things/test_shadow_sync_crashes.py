"""The process may end between any two steps of a reconcile, and the spec may change while it is away.

Whatever the order, once a reconcile comes through the shadow has exactly what the spec says of our keys, no key of an
earlier spec, and every key that others have set.
"""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.loop import run_virtual
from tests.unit.things.reconciles import CrashError, Moment, Reconciles

from thing_operator.core.json_values import json_equal

_VALUES = st.sampled_from([1, 2, "x", [1], {}])
_OWN = st.dictionaries(
    st.sampled_from(["a", "b", "c"]),
    _VALUES | st.dictionaries(st.sampled_from(["p", "q"]), _VALUES, min_size=1, max_size=2),
    max_size=3,
)
_FOREIGN = st.dictionaries(st.sampled_from(["f", "g"]), st.integers(0, 3), max_size=2)
_STEPS = st.lists(
    st.tuples(_OWN, _OWN, _FOREIGN, st.none() | st.sampled_from(Moment)), min_size=1, max_size=6
)


@given(_STEPS)
def test_no_key_is_orphaned_and_none_comes_back(steps: Any) -> None:
    run_virtual(_live(steps))


async def _live(steps: Any) -> None:
    thing = Reconciles()
    others: dict[str, dict[str, Any]] = {"desired": {}, "reported": {}}
    desired: Any = {}
    facts: Any = {}
    generation = 0
    for generation, (desired, facts, foreign, crash_at) in enumerate(steps, start=1):
        thing.edited(desired=foreign, reported=foreign)
        others["desired"] |= foreign
        others["reported"] |= foreign
        thing.crash_at = crash_at
        try:
            await thing.run(desired, generation=generation, device={"reported": facts})
        except CrashError:
            thing.restart()
        thing.crash_at = None
    generation += 1
    done = await thing.run(desired, generation=generation, device={"reported": facts})
    assert done.accepted
    assert json_equal(thing.session.desired(), others["desired"] | desired)
    assert json_equal(thing.session.reported(), others["reported"] | facts)
    sent = (len(thing.session.sent), len(thing.session.reports))
    thing.restart()
    assert (await thing.run(desired, generation=generation, device={"reported": facts})).accepted
    assert (len(thing.session.sent), len(thing.session.reports)) == sent


@pytest.mark.parametrize("moment", Moment)
async def test_a_crash_at_each_moment_and_a_key_that_is_removed_meanwhile(moment: Moment) -> None:
    thing = Reconciles()
    await thing.run({"kept": 1})
    thing.crash_at = moment
    with pytest.raises(CrashError):
        await thing.run({"kept": 2, "short-lived": {"a": 1}}, generation=2)
    thing.restart()
    done = await thing.run({"kept": 3}, generation=3)
    assert done.accepted
    assert thing.session.desired() == {"kept": 3}
    assert done.managed.desired == ("/kept",)


@pytest.mark.parametrize("moment", [Moment.AFTER_SEND, Moment.BEFORE_STATUS])
async def test_what_was_accepted_is_not_sent_again(moment: Moment) -> None:
    thing = Reconciles()
    thing.crash_at = moment
    with pytest.raises(CrashError):
        await thing.run({"a": 1})
    thing.restart()
    assert (await thing.run({"a": 1})).accepted
    assert thing.session.sent == [{"a": 1}]
