"""When an operator of the bench has started."""

import pytest
from tests.bench.meter import Usage
from tests.bench.phases import has_started


def usage(*, cpu: float, waited: float) -> Usage:
    return Usage(cpu=cpu, waited=waited, rss=1 << 20, at=0.0)


@pytest.mark.parametrize(
    ("cpu", "waited", "started"),
    [
        pytest.param(0.6, 0.3, True, id="still"),
        pytest.param(0.61, 0.5, True, id="still but for a moment, on a busy machine"),
        pytest.param(0.8, 0.3, False, id="busy"),
        pytest.param(0.6, 2.2, False, id="without a core"),
    ],
)
def test_a_process_has_started_that_takes_nothing_and_asks_for_nothing(
    cpu: float, waited: float, *, started: bool
) -> None:
    assert has_started(usage(cpu=0.6, waited=0.3), usage(cpu=cpu, waited=waited)) is started


def test_a_process_that_has_not_run_yet_has_not_started() -> None:
    nothing = usage(cpu=0, waited=0)
    assert not has_started(nothing, nothing)
