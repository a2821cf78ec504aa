"""``thing-operator batch create``: have MIC make a batch, and download its zip."""

import asyncio
import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Self

import typer
from rich.console import Console
from rich.progress import Progress

from thing_operator.cli.arguments import check_host
from thing_operator.cli.output import Output, refuse
from thing_operator.core.error_words import in_words
from thing_operator.core.errors import ThingOperatorError, ToolError
from thing_operator.core.files import check_target, write_private
from thing_operator.core.printable import printable
from thing_operator.core.reasons import ToolReason

_EXIT_PARTLY = 1
_EXIT_UNKNOWN = 3

HELP = """Have MIC make a batch, wait for it, write its zip. Interrupted: go on with --batch-id.

Exit codes:
  0  written
  1  written, but MIC could not make all things
  2  no batch, or no zip
  3  the order was sent and no answer came: look in App Board before you order again

Examples, with MIC_USER and MIC_PASSWORD set:
  thing-operator batch create b.zip --stack app.example.com \\
      --thing-type pump --domain root --size 10
  thing-operator batch create b.zip --stack app.example.com --batch-id 123
"""


def create(
    output: Annotated[Path, typer.Argument(metavar="FILE.zip", help="the zip to write, for you alone")],
    user: Annotated[str, typer.Option(envvar="MIC_USER", help="MIC user")],
    password: Annotated[
        str, typer.Option(envvar="MIC_PASSWORD", prompt=True, hide_input=True, help="better in the variable")
    ],
    thing_type: Annotated[str | None, typer.Option(help="id of the thing type")] = None,
    domain: Annotated[str | None, typer.Option(help="id of the domain")] = None,
    size: Annotated[int | None, typer.Option(min=1, max=1000, help="number of things")] = None,
    stack: Annotated[str | None, typer.Option(help="host of the stack, as in App Board's address")] = None,
    api: Annotated[str | None, typer.Option(help="address of the API, instead of --stack")] = None,
    protocol: Annotated[str | None, typer.Option(help="mqtt (default) or iotgw")] = None,
    batch_id: Annotated[
        str | None, typer.Option(help="fetch this batch and order none; instead of type, domain and size")
    ] = None,
    ca_file: Annotated[Path | None, typer.Option(help="PEM roots, instead of the system's")] = None,
) -> None:
    """Have MIC make a batch, wait for it, write its zip; see HELP."""
    # Imported here: the HTTP client takes a second that no other command should wait for.
    from thing_operator.batches.create import create_batch, order_or_id  # noqa: PLC0415
    from thing_operator.download.https import HttpsClient  # noqa: PLC0415
    from thing_operator.mic import Account  # noqa: PLC0415

    console = Console(stderr=True)
    with _errors_said(console, output):
        https = HttpsClient(hosts=None, ca_file=ca_file, ca_setting="--ca-file")
        order = order_or_id(batch_id, thing_type=thing_type, domain=domain, size=size, protocol=protocol)
        _check(output, stack=stack, api=api)
        with _Shown(console, size=size) as shown:
            account = Account(user, password)
            fetching = create_batch(
                https,
                account,
                order,
                stack=stack,
                api=api,
                on_ordered=shown.on_ordered,
                on_progress=shown.on_progress,
            )
            fetched = asyncio.run(fetching)
        write_private(output, fetched.content)
    lacking = fetched.lacking
    written = f"{output}: written{f', but {lacking}' if lacking else ''}"
    written += f"; look into it: thing-operator batch inspect {shlex.quote(str(output))}"
    console.print(printable(written), highlight=False, markup=False, soft_wrap=True)
    raise typer.Exit(_EXIT_PARTLY if lacking else 0)


@contextmanager
def _errors_said(console: Console, output: Path) -> Iterator[None]:
    """What goes wrong inside is said as one line, and ends the program with its exit code."""
    from thing_operator.mic import OrderUnansweredError  # noqa: PLC0415 - see create

    try:
        yield
    except OrderUnansweredError as error:
        console.print(printable(f"error: {error.message}"), highlight=False, markup=False, soft_wrap=True)
        raise typer.Exit(_EXIT_UNKNOWN) from None
    except (ThingOperatorError, ToolError) as error:
        refuse(error.message, reason=error.reason, output=Output.TABLE)
    except OSError as error:
        message = f"cannot write {output}: {in_words(error)}"
        refuse(message, reason=ToolReason.NOT_WRITTEN, output=Output.TABLE)


class _Shown:
    """How far the batch is, on the console: its id for good, a bar of the things made while it lasts."""

    def __init__(self, console: Console, *, size: int | None) -> None:
        self._console = console
        self._progress = Progress(console=console, transient=True, disable=not console.is_terminal)
        self._task = self._progress.add_task("things", total=size)

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def on_ordered(self, batch_id: str) -> None:
        self._console.print(printable(f"batch {batch_id}"), highlight=False, markup=False, soft_wrap=True)

    def on_progress(self, current: int, total: int | None) -> None:
        self._progress.update(self._task, completed=current, total=total)


def _check(output: Path, *, stack: str | None, api: str | None) -> None:
    """Before anything is ordered."""
    if (stack is None) == (api is None):
        raise ToolError("name the stack by either --stack or --api", reason=ToolReason.INVALID_ARGUMENTS)
    if stack is not None:
        check_host("--stack", stack)
    check_target(output, name=str(output))
