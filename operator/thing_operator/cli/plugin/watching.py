"""``kubectl thing watch``: Things as they change, on a terminal as a table, in a pipe as lines."""

import asyncio
import json
import sys
from contextlib import suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import typer

from thing_operator.cli.arguments import Kubeconfig, KubeContext, Namespace
from thing_operator.cli.output import Output, refuse
from thing_operator.cli.plugin.cluster import AllNamespaces, Form, OptionalName, ViewedCluster
from thing_operator.core.reasons import ToolReason

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from rich.console import RenderableType

    from thing_operator.core.resource import ObjectKey
    from thing_operator.inspection.following import Followed
    from thing_operator.inspection.model import Body, ThingRow
    from thing_operator.kube.client import KubeClient

_FRAME = 0.25
"""Seconds between two pictures: a person sees no more, and ten thousand Things change more often."""
_MARGIN = 6
"""Lines of a terminal that are not rows."""


def watch(
    name: OptionalName = None,
    namespace: Namespace = None,
    all_namespaces: AllNamespaces = False,
    kubeconfig: Kubeconfig = None,
    context: KubeContext = None,
    output: Form = Output.TABLE,
) -> None:
    """Show Things as they change, what is wrong first; or the values of one. It ends with Ctrl-C.

    In a pipe, and with --output json, it is a line for each change: of a Thing as in get, or with a name as in diff.

    Exit codes:
      0  it was ended
      1  the terminal was closed
      2  it could not be read

    Examples:
      kubectl thing watch --all-namespaces
      kubectl thing watch freezer-1 --output json
    """
    if name and all_namespaces:
        message = "--all-namespaces does not go with a name: leave it out"
        refuse(message, reason=ToolReason.INVALID_ARGUMENTS, output=output)
    cluster = ViewedCluster(namespace, kubeconfig, context, output, all_namespaces)
    is_live = output is Output.TABLE and sys.stdout.isatty()

    async def shown(client: "KubeClient", place: str | None) -> None:
        # Imported here: the client takes a second that --help and completion should not wait for.
        from thing_operator.core.resource import ObjectKey  # noqa: PLC0415
        from thing_operator.inspection.following import follow  # noqa: PLC0415
        from thing_operator.inspection.reading import read_thing  # noqa: PLC0415

        found = await read_thing(client, ObjectKey(place, name)) if name and place else None
        changes = follow(client, place, name=found["metadata"]["name"] if found else None)
        if is_live:
            await _show_table(changes, _Picture(name, by_namespace=all_namespaces))
        else:
            await _show_lines(changes, name, output)

    with suppress(KeyboardInterrupt):
        cluster.ask(shown)


async def _show_table(changes: "AsyncGenerator[Followed, None]", picture: "_Picture") -> None:
    from rich.console import Console  # noqa: PLC0415 - see watch
    from rich.live import Live  # noqa: PLC0415

    console = Console()
    with Live(console=console, auto_refresh=False) as live:
        follower = asyncio.ensure_future(picture.keep(changes))
        while not follower.done():
            live.update(picture.drawn(rows=console.height - _MARGIN, now=datetime.now(UTC)), refresh=True)
            await asyncio.wait([follower], timeout=_FRAME)
    await follower


class _Picture:
    """What was seen last, as rows: of ten thousand Things only the one that has changed is read again."""

    def __init__(self, name: str | None, *, by_namespace: bool) -> None:
        self._name = name
        self._by_namespace = by_namespace
        self._rows: dict[ObjectKey, ThingRow] = {}
        self._body: Body | None = None
        self._trouble = "reading"

    async def keep(self, changes: "AsyncGenerator[Followed, None]") -> None:
        """Take each change, until there are no more."""
        from thing_operator.inspection.deciding import row_of  # noqa: PLC0415 - see watch

        async for followed in changes:
            self._trouble = followed.trouble
            if self._name:
                self._body = next(iter(followed.things.values()), None)
            elif followed.changed is None:
                self._rows = {key: row_of(body) for key, body in followed.things.items()}
            elif body := followed.things.get(followed.changed):
                self._rows[followed.changed] = row_of(body)
            else:
                self._rows.pop(followed.changed, None)

    def drawn(self, *, rows: int, now: datetime) -> "RenderableType":
        """The table, no longer than the terminal."""
        from thing_operator.cli.views import diff_table, rows_table, with_trouble  # noqa: PLC0415 - see watch
        from thing_operator.inspection.deciding import in_order  # noqa: PLC0415
        from thing_operator.inspection.diff import diff_of  # noqa: PLC0415

        if self._name:
            values = diff_of(self._body, everything=True).rows if self._body else ()
            return with_trouble(diff_table(values[: max(rows, 1)], now=now), self._trouble)
        found = in_order(self._rows.values())
        table = rows_table(found[: max(rows, 1)], now=now, by_namespace=self._by_namespace)
        return with_trouble(table, self._trouble)


async def _show_lines(changes: "AsyncGenerator[Followed, None]", name: str | None, output: Output) -> None:
    known: set[ObjectKey] = set()
    async for followed in changes:
        if followed.trouble:
            typer.echo(followed.trouble, err=True)
            continue
        keys = list(followed.things) if followed.changed is None else [followed.changed]
        for key in [*keys, *(known - followed.things.keys() if followed.changed is None else ())]:
            typer.echo(_line(key, followed.things.get(key), name, output))
        known = set(followed.things)


def _line(key: "ObjectKey", body: "Body | None", name: str | None, output: Output) -> str:
    from thing_operator.core.printable import printable  # noqa: PLC0415 - see watch
    from thing_operator.inspection.deciding import row_of  # noqa: PLC0415
    from thing_operator.inspection.diff import diff_of  # noqa: PLC0415

    if body is None:
        found: dict[str, Any] = {"namespace": key.namespace, "name": key.name, "deleted": True}
    elif name:
        found = diff_of(body, everything=True).to_wire()
    else:
        found = row_of(body).to_wire()
    if output is not Output.TABLE:
        return json.dumps(found)
    if body is None:
        return f"{key}: deleted"
    row = row_of(body)
    words = f"{key}: Ready {row.ready} ({row.reason}), connected {row.connected}, in sync {row.in_sync}"
    values = ", ".join(
        f"{each['pointer']} {each['state']} {json.dumps(each['reported']) if 'reported' in each else '-'}"
        for each in found.get("rows", ())
    )
    return printable(f"{words}; {values}" if values else words)
