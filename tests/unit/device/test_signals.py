"""Simulated values: reproducible, within their bounds, of one JSON type."""

from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from thing_operator.api.simulation import Simulation
from thing_operator.device.errors import InvalidDeviceError
from thing_operator.device.signals import Signal, make_signal


def signal(thing: str = "freezer-1", **what: Any) -> Signal:
    return make_signal(Simulation.model_validate({"path": "/x", "every": "10s"} | what), thing_name=thing)


def values(made: Signal, count: int = 20) -> list[Any]:
    found: list[Any] = []
    for number in range(count):
        found.append(made.value(number, found[-1] if found else None))
    return found


@pytest.mark.parametrize(
    ("what", "expected"),
    [
        ({"constant": "on"}, ["on", "on", "on"]),
        ({"constant": {"a": [1]}}, [{"a": [1]}] * 3),
        ({"counter": {}}, [0, 1, 2]),
        ({"counter": {"start": 5, "step": -2}}, [5, 3, 1]),
        ({"counter": {"start": 0, "step": 0.1}}, [0.0, 0.1, 0.2]),
        ({"ramp": {"from": 100, "to": 0, "steps": 4, "decimals": 0}}, [100, 75, 50, 25, 0, 100]),
        ({"ramp": {"from": 0, "to": 1, "steps": 2}}, [0.0, 0.5, 1.0, 0.0]),
        ({"sine": {"mean": 4, "amplitude": 2, "period": "40s"}}, [4.0, 6.0, 4.0, 2.0, 4.0]),
    ],
)
def test_values_by_number(what: dict[str, Any], expected: list[Any]) -> None:
    found = values(signal(**what), len(expected))
    assert found == expected
    assert [type(value) for value in found] == [type(value) for value in expected]


def test_a_random_walk_takes_small_steps_between_its_bounds() -> None:
    walk = {"start": 4, "step": 0.5, "minimum": 3, "maximum": 5}
    found = values(signal(randomWalk=walk), 500)
    assert found[0] == 4.0
    assert all(isinstance(value, float) and 3 <= value <= 5 for value in found)
    assert all(abs(after - before) <= 0.51 for before, after in pairwise(found))
    assert len(set(found)) > 50


def test_a_random_walk_goes_on_from_what_was_reported() -> None:
    made = signal(randomWalk={"start": 4, "step": 0.5})
    assert abs(made.value(7, 40.0) - 40) <= 0.5
    assert made.value(7, "broken") == 4.0


def test_whole_numbers_stay_whole() -> None:
    found = values(signal(randomWalk={"start": 50, "step": 5, "decimals": 0}), 50)
    assert {type(value) for value in found} == {int}


def test_a_choice_is_drawn_from_all_values_and_keeps_one_type() -> None:
    found = values(signal(choice=[1, 2.5, 3]), 100)
    assert set(found) == {1.0, 2.5, 3.0}
    assert {type(value) for value in found} == {float}


@pytest.mark.parametrize("choice", [[1, "1"], [True, 0], [{}, []]])
def test_a_choice_of_several_types_is_refused(choice: list[Any]) -> None:
    with pytest.raises(InvalidDeviceError, match="/x: choice mixes"):
        signal(choice=choice)


def test_a_walk_that_starts_outside_of_its_bounds_is_refused() -> None:
    with pytest.raises(InvalidDeviceError, match=r"/x: randomWalk\.start"):
        signal(randomWalk={"start": 4, "step": 1, "minimum": 5})


@given(st.sampled_from([{"randomWalk": {"start": 4, "step": 1}}, {"choice": [1, 2, 3, 4]}]), st.integers())
def test_a_seed_makes_the_values_reproducible(what: dict[str, Any], seed: int) -> None:
    one = values(signal("a", seed=seed, **what))
    assert one == values(signal("b", seed=seed, **what))
    assert one != values(signal("b", seed=seed + 1, **what))


def test_without_a_seed_each_thing_and_path_differs() -> None:
    walk = {"randomWalk": {"start": 4, "step": 1}}
    one, other = values(signal("a", **walk)), values(signal("b", **walk))
    assert one != other
    assert one == values(signal("a", **walk))
    assert one != values(signal("a", path="/y", **walk))


def test_values_are_the_same_in_every_version() -> None:
    """What a seed gives is a promise: people compare runs."""
    assert values(signal(seed=1, randomWalk={"start": 20, "step": 1}), 4) == PINNED_WALK
    assert values(signal(seed=1, choice=["a", "b", "c"]), 6) == PINNED_CHOICE


PINNED_WALK = [20.0, 19.11, 19.51, 18.56]
PINNED_CHOICE = ["b", "a", "c", "a", "c", "a"]
