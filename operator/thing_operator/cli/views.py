"""What is seen of Things and their objects, on a terminal: colours, tables and trees of what was decided."""

import json
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text
from rich.tree import Tree

from thing_operator.cli.tables import FittingTable, in_cell, table_console, table_of
from thing_operator.core.printable import printable
from thing_operator.core.words import age, counted
from thing_operator.inspection.model import (
    ChainLink,
    DiffRow,
    FleetView,
    GroupView,
    LinkHealth,
    MemberHealth,
    ObjectTree,
    ThingDiff,
    ThingExplanation,
    ThingProblem,
    ThingRow,
    ThingView,
    TreeNode,
    ValueState,
)

_MARKS = {
    LinkHealth.GOOD: ("✓", "green"),
    LinkHealth.WAITING: ("…", "yellow"),
    LinkHealth.FAILED: ("✗", "red"),
    LinkHealth.UNKNOWN: ("?", "yellow"),
}
_STATES = {
    ValueState.SAME: "green",
    ValueState.PENDING: "yellow",
    ValueState.NOT_IN_SHADOW: "red",
    ValueState.FOREIGN: "magenta",
    ValueState.REPORTED: "dim",
    ValueState.UNKNOWN: "dim",
}
_MEMBERS = {MemberHealth.ALIVE: "green", MemberHealth.LEAVING: "yellow", MemberHealth.SILENT: "red"}
_LONGEST_VALUE = 60


def print_thing(view: ThingView, *, now: datetime) -> None:
    """One Thing from its Secret to its device, and its values."""
    console = table_console()
    console.print(_title(view))
    for line in _chain_lines(view.chain, now=now):
        console.print(line, soft_wrap=True)
    if view.values:
        table = table_of("path", "desired", "reported", "pending")
        for row in view.values:
            waiting = age(now - row.pending_since) if row.pending_since else ""
            reported = _shown(row.reported) if row.is_reported else "-"
            style = "yellow" if row.pending_since else ""
            table.add_row(*map(in_cell, (row.pointer, _shown(row.desired), reported, waiting)), style=style)
        console.print(table)
    _print_notes(view.notes)


def print_fleet(view: FleetView, *, now: datetime) -> None:
    """How many Things are in which state, and what is wrong for the longest time."""
    console = table_console()
    counts = f"{view.ready} Ready, {view.connected} connected, {view.in_sync} in sync"
    console.print(Text(f"{counted(view.total, 'Thing')}: {counts}"))
    if view.reasons:
        table = table_of("ready", "reason", "Things", "for the longest time")
        for each in view.reasons:
            oldest = f"{_place(each.oldest)}, {age(now - each.oldest.since)}"
            table.add_row(*map(in_cell, (each.ready, each.reason, str(each.count), oldest)))
        console.print(table)
    worst = view.oldest_problem
    if worst is not None:
        words = f"{_place(worst)} for {age(now - worst.since)}: {worst.reason}: {worst.message}"
        console.print(Text.assemble(("oldest problem: ", "red"), printable(words)), soft_wrap=True)


def print_rows(rows: Sequence[ThingRow], *, now: datetime, by_namespace: bool) -> None:
    """Many Things, one a line."""
    table_console().print(rows_table(rows, now=now, by_namespace=by_namespace))


def print_diff(diff: ThingDiff, *, now: datetime) -> None:
    """What the spec says, the shadow desires and the device reports, side by side."""
    console = table_console()
    console.print(_title(diff))
    console.print(diff_table(diff.rows, now=now))
    _print_notes(diff.notes)


def print_tree(tree: ObjectTree) -> None:
    """The objects of a namespace, each below the one by which it is there."""
    console = table_console()
    root = Tree(Text(printable(f"namespace {tree.namespace}"), style="bold"))
    _grow(root, tree.roots)
    console.print(root)
    _print_notes(tree.notes)


def print_explanation(found: ThingExplanation, *, now: datetime) -> None:
    """The steps from the operator to the device, and what to do."""
    console = table_console()
    console.print(_title(found))
    for line in _chain_lines(found.steps, now=now):
        console.print(line, soft_wrap=True)
    for event in found.events:
        when = f" ({age(now - event.last)} ago)" if event.last else ""
        times = f", {event.count} times" if event.count > 1 else ""
        words = printable(f"{event.reason}{when}{times}: {event.message}")
        console.print(Text.assemble(("! ", "yellow"), f"{'Event':<9}", words), soft_wrap=True)
    console.print(Text.assemble(("next step: ", "bold"), printable(found.next_step)), soft_wrap=True)
    if found.page:
        console.print(Text(f"see {found.page}", style="dim"), soft_wrap=True)
    _print_notes(found.notes)


def print_group(group: GroupView, *, now: datetime) -> None:
    """The replicas of a release, and which shards each of them runs."""
    console = table_console()
    title = Text(f"{group.namespace}/{group.name}: ", style="bold")
    members = counted(len(group.members), "replica")
    console.print(title + Text(f"{members}, {group.held} of {group.shards} shards run"))
    if group.trouble:
        console.print(Text(printable(group.trouble), style="red"))
    if group.orphans:
        console.print(Text(f"run by nobody: {group.orphans}", style="red"))
    table = table_of("replica", "state", "renewed", "shards", "asks", "gives", "which")
    for member in group.members:
        table.add_row(
            in_cell(member.name),
            Text(member.health, style=_MEMBERS[member.health]),
            f"{age(now - member.renewed)} ago" if member.renewed else "-",
            str(member.held),
            str(member.asks or ""),
            str(member.gives or ""),
            member.shards,
        )
    console.print(table)


def rows_table(rows: Iterable[ThingRow], *, now: datetime, by_namespace: bool) -> Table:
    """Many Things, with what is wrong in colour. ``by_namespace``: they are of several."""
    names = ("name", "ready", "reason", "since", "connected", "in sync", "pending", "reported")
    table = FittingTable("namespace", *names, kept=4) if by_namespace else FittingTable(*names, kept=3)
    for row in rows:
        mark, style = _MARKS[row.health]
        reported = f"{age(now - row.reported_time)} ago" if row.reported_time else "-"
        place = (row.namespace, row.name) if by_namespace else (row.name,)
        table.add_row(
            *map(in_cell, place),
            Text(f"{mark} {row.ready}", style=style),
            in_cell(row.reason),
            age(now - row.since),
            row.connected,
            row.in_sync,
            str(row.pending or ""),
            reported,
        )
    return table


def diff_table(rows: Iterable[DiffRow], *, now: datetime) -> Table:
    """Values by path, the colour by what is the case with each."""
    table = table_of("path", "spec", "shadow desired", "reported", "delta", "state")
    for row in rows:
        sections = (row.spec, row.shadow_desired, row.reported, row.delta)
        since = f" for {age(now - row.since)}" if row.since else ""
        table.add_row(
            in_cell(row.pointer),
            *(in_cell("" if each is None else _shown(each)) for each in sections),
            f"{row.state}{since}",
            style=_STATES[row.state],
        )
    return table


def with_trouble(shown: RenderableType, trouble: str) -> RenderableType:
    """What is shown, and above it why that may be out of date."""
    return Group(Text(printable(trouble), style="red"), shown) if trouble else shown


def _title(view: ThingView | ThingDiff | ThingExplanation) -> Text:
    return Text(printable(f"Thing {view.namespace}/{view.name}, thing {view.thing_name}"), style="bold")


def _chain_lines(chain: Iterable[ChainLink], *, now: datetime) -> Iterable[Text]:
    """A line for each link; what one has said already, the next ones refer to."""
    links = tuple(chain)
    width = max((len(link.name) for link in links), default=0) + 1
    first: dict[str, str] = {}
    for link in links:
        mark, style = _MARKS[link.health]
        since = f" (for {age(now - link.since)})" if link.since else ""
        said_by = first.setdefault(link.message, link.name)
        words = printable(link.message) if said_by == link.name else f"see {said_by}"
        # Text throughout, since a key or a message may hold [red] or worse.
        yield Text.assemble(
            (f"{mark} ", style), f"{link.name:<{width}}", (link.reason, "bold"), f"{since}: {words}"
        )


def _print_notes(notes: Iterable[str]) -> None:
    console = table_console()
    for note in notes:
        console.print(Text(note, style="dim"), soft_wrap=True)


def _grow(tree: Tree, nodes: Iterable[TreeNode]) -> None:
    for node in nodes:
        mark, style = _MARKS[node.health]
        words = ": ".join(filter(None, (node.reason, node.message)))
        label = Text.assemble(
            (f"{mark} ", style), (printable(f"{node.kind} {node.name}"), "bold"), printable(f"  {words}")
        )
        _grow(tree.add(label), node.children)


def _place(problem: ThingProblem) -> str:
    return f"{problem.namespace}/{problem.name}"


def _shown(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _LONGEST_VALUE else f"{text[:_LONGEST_VALUE]}..."
