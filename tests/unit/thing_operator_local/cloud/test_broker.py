"""The broker's process seen from the cloud that watches it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from thing_operator_local.cloud.broker import Broker, BrokerFiles
from thing_operator_local.cloud.layout import CloudLayout
from thing_operator_local.errors import LocalError
from thing_operator_local.processes import ChildProcess, wait_until

_PROGRAM = """#!/bin/sh
echo '{"mqttPort": 1883, "adminPort": 1}'
until [ -e "$0.end" ]; do sleep 0.05; done
"""


@pytest.fixture
def program(tmp_path: Path) -> Path:
    """Only says that it listens; ends by itself when ``program.end`` appears beside it."""
    program = tmp_path / "program"
    program.write_text(_PROGRAM, encoding="utf-8")
    program.chmod(0o755)
    return program


@pytest.fixture
def broker(program: Path, tmp_path: Path) -> Iterator[Broker]:
    layout = CloudLayout(tmp_path / "cloud")
    layout.make()
    broker = Broker(program, layout, BrokerFiles((), client_ca=tmp_path, service=tmp_path))
    broker.start(port=0, identities={})
    yield broker
    broker.stop()


def test_a_broker_that_is_asked_to_stop_has_not_crashed(
    broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The cloud looks every half second, so also at the instant after the process has ended."""
    end = ChildProcess.stop

    def end_and_look(process: ChildProcess) -> None:
        end(process)
        broker.check_running()

    monkeypatch.setattr(ChildProcess, "stop", end_and_look)
    broker.stop()


def test_a_broker_that_ends_by_itself_has(broker: Broker, program: Path) -> None:
    def is_noticed() -> bool:
        try:
            broker.check_running()
        except LocalError as error:
            return "the broker ended early with code 0" in error.message
        return False

    assert not is_noticed()
    program.with_name("program.end").touch()
    wait_until(is_noticed, what="the end of the broker", timeout=30)
