"""What ``run`` says of itself at its start."""

import pytest

from thing_operator import __version__
from thing_operator.app.announcement import found_line, where_lines
from thing_operator.config import Settings

CLUSTER = f"thing-operator {__version__}: cluster https://k (context c of f), "


@pytest.mark.parametrize(
    ("settings", "lines"),
    [
        ({}, (f"{CLUSTER}all namespaces", "no broker; health checks on port 8080, metrics on port 9090")),
        (
            {"namespaces": "a,b", "endpoint": {"host": "h"}, "health": {"port": 0}},
            (f"{CLUSTER}namespaces a, b", "broker h:8883; health checks off, metrics on port 9090"),
        ),
        (
            {"metrics": {"port": 1, "address": "127.0.0.1"}},
            (
                f"{CLUSTER}all namespaces",
                "no broker; health checks on port 8080, metrics on port 1 of 127.0.0.1",
            ),
        ),
    ],
)
def test_where_it_runs(settings: dict[str, object], lines: tuple[str, str]) -> None:
    found = where_lines(Settings.model_validate(settings), server="https://k", origin="context c of f")
    assert found == lines


def test_what_it_found() -> None:
    assert found_line(things=1, batches=1) == "1 Thing and 1 ThingBatch found; changes are watched"
    assert found_line(things=0, batches=2) == "0 Things and 2 ThingBatches found; changes are watched"
