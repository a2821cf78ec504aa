"""What the demo shows on a terminal: its steps, a table that fits, counts, and what to try."""

import json
from collections.abc import Callable, Sequence

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from thing_operator_local.demo.fleet import reported
from thing_operator_local.demo.story import DoneStep, condition
from thing_operator_local.demo.world import Json

_WIDE = 100
"""Columns of a terminal from which on there is room for version and values."""
_VALUES = "REPORTED"
_COLOURS = {"True": "green", "False": "red", "Unknown": "yellow"}
_NO_FAULT = {"Suspended"}
"""Reasons of False that nobody has to do anything about."""


def steps_of(done: Sequence[DoneStep]) -> RenderableType:
    """Two lines a step: what is the case now, and dim how a user would have got there."""
    grid = Table.grid(padding=(0, 1))
    grid.add_column(no_wrap=True)
    grid.add_column(no_wrap=True)
    grid.add_column(no_wrap=True, overflow="ellipsis")
    for each in done:
        outcome = Text.assemble(each.step.title, ": ", (each.step.outcome, "dim"))
        grid.add_row(Text("ok", "bold green"), Text(f"{each.seconds:5.1f} s", "dim"), outcome)
        grid.add_row("", "", Text(f"$ {each.command}", "dim cyan"))
    return grid


def step_text(done: DoneStep) -> Text:
    """A step as it stays on the terminal: broken by the terminal and not cut, so that its command can be copied."""
    return Text.assemble(
        ("ok", "bold green"),
        (f" {done.seconds:5.1f} s ", "dim"),
        f"{done.step.title}: ",
        (done.step.outcome, "dim"),
        (f"\n{'':11}$ {done.command}", "dim cyan"),
    )


def things_of(things: Sequence[Json], *, fleet: bool, width: int, lines: int) -> RenderableType:
    """The Things as a table, as many as fit in ``lines`` with its header, and the counts of all of them."""
    columns = _COLUMNS[fleet, width >= _WIDE]
    table = Table(box=None, header_style="bold", padding=(0, 2, 0, 0))
    for name in columns:
        # What may wrap is made narrower first: the values alone are, and do not wrap either.
        table.add_column(name, no_wrap=name != _VALUES, overflow="ellipsis")
    shown = list(things)[: max(1, lines - 2)]
    for thing in shown:
        table.add_row(*(cell(thing) for cell in columns.values()))
    return Group(table, Text(counts_of(things, shown=len(shown)), "dim", no_wrap=True, overflow="ellipsis"))


def counts_of(things: Sequence[Json], *, shown: int) -> str:
    """How many Things there are in each state that a person asks for; ``shown`` of them are in the table."""

    def true(kind: str) -> int:
        return sum(condition(thing, kind).get("status") == "True" for thing in things)

    pending = sum(bool(_shadow(thing).get("pendingCount")) for thing in things)
    noun = "Thing" if len(things) == 1 else "Things"
    text = f"{len(things)} {noun}: {true('Ready')} Ready, {true('Connected')} connected, {pending} pending"
    return f"{text} ({len(things) - shown} more are not shown)" if shown < len(things) else text


def _shadow(thing: Json) -> Json:
    found: Json = thing.get("status", {}).get("shadow", {})
    return found


def _name(thing: Json) -> Text:
    return Text(str(thing["metadata"]["name"]))


def _status(kind: str) -> Callable[[Json], Text]:
    def cell(thing: Json) -> Text:
        found = condition(thing, kind)
        status, reason = found.get("status", ""), found.get("reason", "")
        # A device may sleep for hours: what is not in sync is no fault.
        no_fault = reason in _NO_FAULT or kind == "InSync"
        colour = "yellow" if status == "False" and no_fault else _COLOURS.get(status, "dim")
        return Text(status if status == "True" else f"{status} {reason}", colour)

    return cell


def _pending(thing: Json) -> Text:
    count = _shadow(thing).get("pendingCount", "")
    return Text(str(count), "yellow" if count else "dim")


def _online(thing: Json) -> Text:
    shown = {0: Text("no", "yellow"), 2: Text("yes", "green")}
    return shown.get(reported(thing).get("tcxn", {}).get("connection_status"), Text("?", "dim"))


def _value(name: str) -> Callable[[Json], Text]:
    def cell(thing: Json) -> Text:
        found = reported(thing).get(name, "")
        return Text(found if isinstance(found, str) else json.dumps(found))

    return cell


_NARROW_TABLE: dict[str, Callable[[Json], Text]] = {
    "THING": _name,
    "READY": _status("Ready"),
    "IN-SYNC": _status("InSync"),
    "CONNECTED": _status("Connected"),
    "PENDING": _pending,
}
_WIDE_TABLE = _NARROW_TABLE | {
    "VERSION": lambda thing: Text(str(_shadow(thing).get("version", ""))),
    _VALUES: lambda thing: Text(
        json.dumps(_shadow(thing).get("reported", {})), no_wrap=True, overflow="ellipsis"
    ),
}
_NARROW_FLEET: dict[str, Callable[[Json], Text]] = {
    "FREEZER": _name,
    "READY": _status("Ready"),
    "IN-SYNC": _status("InSync"),
    "ONLINE": _online,
    "SETPOINT": _value("setpoint"),
    "TEMP": _value("temperature"),
    "DOOR": _value("door"),
}
_WIDE_FLEET = _NARROW_FLEET | {
    "OPENED": _value("doorOpenings"),
    "BATTERY": lambda thing: Text(str(reported(thing).get("tcxn", {}).get("battery_level", ""))),
}
_COLUMNS = {
    (False, False): _NARROW_TABLE,
    (False, True): _WIDE_TABLE,
    (True, False): _NARROW_FLEET,
    (True, True): _WIDE_FLEET,
}
"""By whether it is a fleet, and whether the terminal is wide."""
