"""Log lines, for people and for machines."""

import json
import logging
from collections.abc import Iterator

import pytest

from thing_operator.observability.logs import configure_logs


@pytest.fixture(autouse=True)
def loggers_as_before() -> Iterator[None]:
    levels = {name: logging.getLogger(name).level for name in ("", "kopf", "asyncio")}
    handlers = logging.getLogger().handlers[:]
    yield
    logging.getLogger().handlers[:] = handlers
    for name, level in levels.items():
        logging.getLogger(name).setLevel(level)


def test_a_line_on_a_terminal_has_no_name_of_a_logger(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logs(level="info", form="console")
    logging.getLogger("thing_operator.kube.events").warning("plant/1: Ready")
    line = capsys.readouterr().err
    assert line.endswith(" WARNING plant/1: Ready\n")
    assert "thing_operator" not in line


def test_a_line_for_machines_has_it(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logs(level="info", form="json")
    logging.getLogger("thing_operator.kube.events").warning("plant/1: Ready")
    line = json.loads(capsys.readouterr().err)
    assert (line["logger"], line["level"]) == ("thing_operator.kube.events", "WARNING")
