"""The demo's live table."""

import json

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from thing_operator_local.demo.fleet import reported
from thing_operator_local.demo.story import DemoStep, condition
from thing_operator_local.demo.world import Json

_COLOURS = {"True": "green", "False": "red", "Unknown": "yellow"}
_NO_FAULT = {"DeltaPending", "Suspended"}
"""Reasons of False that nobody has to do anything about: a device may sleep for hours."""


def draw(done: list[tuple[DemoStep, float]], things: list[Json], *, fleet: bool) -> RenderableType:
    """Steps that came about, and the Things as ``kubectl get`` has them, or with the values of a ``fleet``."""
    steps = Table.grid(padding=(0, 1))
    for step, seconds in done:
        steps.add_row(
            Text("ok", "bold green"), Text(f"{seconds:5.1f} s", "dim"), step.title, Text(step.outcome, "dim")
        )
    return Group(steps, Text(), _fleet(things) if fleet else _table(things)) if things else steps


def _fleet(things: list[Json]) -> Table:
    table = Table(box=None, header_style="bold", padding=(0, 2))
    for name in (
        "FREEZER",
        "READY",
        "IN-SYNC",
        "ONLINE",
        "SETPOINT",
        "TEMPERATURE",
        "DOOR",
        "OPENED",
        "BATTERY",
    ):
        table.add_column(name)
    for thing in things:
        values = reported(thing)
        tcxn: Json = values.get("tcxn", {})
        online: dict[object, Text] = {0: Text("no", "red"), 2: Text("yes", "green")}
        table.add_row(
            thing["metadata"]["name"],
            *(_status(condition(thing, kind)) for kind in ("Ready", "InSync")),
            online.get(tcxn.get("connection_status"), Text("?", "dim")),
            *(str(values.get(name, "")) for name in ("setpoint", "temperature", "door", "doorOpenings")),
            str(tcxn.get("battery_level", "")),
        )
    return table


def _table(things: list[Json]) -> Table:
    table = Table(box=None, header_style="bold", padding=(0, 2))
    for name in ("THING", "READY", "IN-SYNC", "CONNECTED", "PENDING", "VERSION", "REPORTED"):
        table.add_column(name)
    for thing in things:
        shadow: Json = thing.get("status", {}).get("shadow", {})
        table.add_row(
            thing["metadata"]["name"],
            *(_status(condition(thing, kind)) for kind in ("Ready", "InSync", "Connected")),
            str(shadow.get("pendingCount", "")),
            str(shadow.get("version", "")),
            Text(json.dumps(shadow.get("reported", {})), overflow="ellipsis", no_wrap=True),
        )
    return table


def _status(found: Json) -> Text:
    status = found.get("status", "")
    reason = found.get("reason", "")
    text = status if status == "True" else f"{status} {reason}"
    return Text(text, _COLOURS.get("Unknown" if reason in _NO_FAULT else status, "dim"))
