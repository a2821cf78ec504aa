"""The demo's screen: what fits, what is coloured how, and that values are JSON."""

import io
from typing import Any

import pytest
from rich.console import Console, RenderableType

from thing_operator_local.demo import FLEET_STEPS, STEPS, DoneStep
from thing_operator_local.demo.screen import counts_of, step_text, steps_of, things_of


def thing(number: int, *, in_sync: bool = True, reported: dict[str, Any] | None = None) -> dict[str, Any]:
    synced = ("True", "InSync") if in_sync else ("False", "DeltaPending")
    found = {"Ready": ("True", "Accepted"), "Connected": ("True", "Connected"), "InSync": synced}
    return {
        "metadata": {"name": f"{number:08}"},
        "status": {
            "conditions": [
                {"type": kind, "status": status, "reason": reason} for kind, (status, reason) in found.items()
            ],
            "shadow": {"version": 3, "pendingCount": 0 if in_sync else 4, "reported": reported or {}},
        },
    }


def rendered(what: RenderableType, *, width: int) -> str:
    console = Console(
        file=io.StringIO(), width=width, force_terminal=True, color_system="standard", record=True
    )
    console.print(what)
    return console.export_text(styles=True)


def lines_of(what: RenderableType, *, width: int) -> list[str]:
    console = Console(file=io.StringIO(), width=width, record=True)
    console.print(what)
    return console.export_text().splitlines()


DONE = [DoneStep(step, "kubectl patch thing 00000001 " + "x" * 100, 1.6) for step in STEPS]


@pytest.mark.parametrize("fleet", [False, True])
@pytest.mark.parametrize(("width", "height"), [(80, 24), (120, 40), (200, 60)])
def test_steps_and_table_fit(width: int, height: int, fleet: bool) -> None:
    things = [thing(number, in_sync=False, reported={"a" * 150: 1}) for number in range(50)]
    steps = lines_of(steps_of(DONE), width=width)
    table = lines_of(things_of(things, fleet=fleet, width=width, lines=height - len(steps) - 2), width=width)
    assert len(steps) == 2 * len(DONE), "no line of a step is broken"
    assert len(steps) + 1 + len(table) < height
    assert max(map(len, [*steps, *table])) <= width
    assert "00000000 " in table[1]
    assert "False DeltaPending " in table[1]
    assert table[-1].startswith("50 Things: 50 Ready, 50 connected, 50 pending (")


def test_the_command_of_a_step_stays_whole() -> None:
    for done in DONE:
        first, second = step_text(done).plain.split("\n")
        assert first.startswith(f"ok   1.6 s {done.step.title}: ")
        assert second.split(maxsplit=1) == ["$", done.command]


def test_a_narrow_terminal_does_without_version_and_values() -> None:
    (narrow, *_), (wide, *_) = (
        lines_of(things_of([thing(1)], fleet=False, width=width, lines=9), width=width) for width in (80, 120)
    )
    assert narrow.split() == ["THING", "READY", "IN-SYNC", "CONNECTED", "PENDING"]
    assert wide.split() == [*narrow.split(), "VERSION", "REPORTED"]


def test_what_is_pending_is_not_red() -> None:
    text = rendered(things_of([thing(1, in_sync=False)], fleet=False, width=120, lines=9), width=120)
    assert "\x1b[33mFalse DeltaPending" in text
    assert "\x1b[31m" not in text


def test_a_fault_is_red() -> None:
    broken = thing(1)
    broken["status"]["conditions"][0] |= {"status": "False", "reason": "SecretNotFound"}
    text = rendered(things_of([broken], fleet=False, width=120, lines=9), width=120)
    assert "\x1b[31mFalse SecretNotFound" in text


def test_values_are_json() -> None:
    reported = {"door": True, "setpoint": None, "limits": {"max": -15}}
    table = lines_of(things_of([thing(1, reported=reported)], fleet=True, width=120, lines=9), width=120)
    assert table[1].split()[4:6] == ["null", "true"]
    table = lines_of(things_of([thing(1, reported=reported)], fleet=False, width=160, lines=9), width=160)
    assert '{"door": true, "setpoint": null, "limits": {"max": -15}}' in table[1]


def test_counts_are_of_all_things() -> None:
    things = [thing(1), thing(2, in_sync=False), {"metadata": {"name": "new"}}]
    assert counts_of(things, shown=3) == "3 Things: 2 Ready, 2 connected, 1 pending"
    assert counts_of(things, shown=1) == "3 Things: 2 Ready, 2 connected, 1 pending (2 more are not shown)"
    assert counts_of(things[:1], shown=1).startswith("1 Thing: ")


def test_every_step_has_a_title_of_its_own() -> None:
    titles = [step.title for step in (*STEPS, *FLEET_STEPS)]
    assert len(titles) == len(set(titles))
