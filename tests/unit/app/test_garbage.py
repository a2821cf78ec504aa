"""How the operator's process looks for cycles."""

import gc
from collections.abc import Iterator
from typing import Any

import pytest

from thing_operator.app.run import tune_garbage_collector


@pytest.fixture
def tuned() -> Iterator[None]:
    before = gc.get_threshold()
    tune_garbage_collector()
    try:
        yield
    finally:
        gc.set_threshold(*before)
        gc.unfreeze()


@pytest.mark.usefixtures("tuned")
def test_what_kopf_leaves_in_cycles_is_never_looked_at_in_thousands_at_a_time() -> None:
    looked_at: list[int] = []

    def note(phase: str, _info: dict[str, int]) -> None:
        if phase == "start":
            looked_at.append(len(gc.get_objects(generation=0)))

    gc.callbacks.append(note)
    try:
        for _ in range(15_000):
            cycle: list[Any] = []
            cycle.append(cycle)
    finally:
        gc.callbacks.remove(note)
    assert looked_at
    assert max(looked_at) < 5_000
