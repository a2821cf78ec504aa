"""What ``make fuzz`` runs by the million, by the dozen: the targets stay what they are for, without atheris."""

import importlib
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.fuzz.dice import Dice
from tests.fuzz.running import TARGETS

pytestmark = pytest.mark.filterwarnings("ignore::cryptography.utils.CryptographyDeprecationWarning")


@pytest.mark.parametrize("name", TARGETS)
def test_a_target_stands_its_seeds_and_changes_of_them(name: str) -> None:
    target = importlib.import_module(f"tests.fuzz.targets.{name}")
    rng = random.Random(name)
    for seed in target.SEEDS:
        target.one_input(seed)
        for _ in range(10):
            changed = bytearray(seed)
            for _ in range(rng.randint(1, 6)):
                changed[rng.randrange(len(changed))] = rng.randrange(256)
            target.one_input(bytes(changed))


@pytest.mark.parametrize("name", TARGETS)
def test_a_target_stands_any_bytes(name: str) -> None:
    target = importlib.import_module(f"tests.fuzz.targets.{name}")

    @settings(max_examples=60, deadline=None)
    @given(st.binary(max_size=300))
    def check(data: bytes) -> None:
        target.one_input(data)

    check()


def test_the_same_bytes_are_the_same_choices_and_the_end_is_the_first_of_all() -> None:
    one, other = (Dice(bytes([3, 0, 1, 44, 2, 65, 66, 67])) for _ in range(2))
    for dice in (one, other):
        assert dice.pick("abcd") == "d"
        assert dice.number(1000) == 300
        assert dice.take(4) == b"AB"
        assert dice.rest() == b"C"
        assert (dice.flag(), dice.number(9), dice.take(9), dice.pick("xy")) == (False, 0, b"", "x")
