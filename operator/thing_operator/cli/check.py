"""``thing-operator check``: Things and ThingBatches in files, for a pull request and without a cluster."""

from dataclasses import asdict
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.text import Text

from thing_operator.cli.output import Output, emit, refuse
from thing_operator.core.errors import ToolError
from thing_operator.core.printable import printable
from thing_operator.core.words import counted

if TYPE_CHECKING:
    from thing_operator.check.checking import CheckLimits, CheckReport
    from thing_operator.check.diagnostics import Diagnostic

_EXIT_WRONG = 1

Paths = Annotated[
    list[Path],
    typer.Argument(metavar="FILE", help="YAML or JSON; a folder with all below it; - for stdin"),
]
Config = Annotated[
    Path | None, typer.Option(help="the operator's configuration: it is checked, too, and its limits count")
]
Form = Annotated[Output, typer.Option("--output", "-o", help="form of the result")]


def check(paths: Paths, config: Config = None, output: Form = Output.TABLE) -> None:
    """Check Things and ThingBatches in files, without a cluster. Objects of other kinds are skipped.

    It finds what the API server, the operator and MIC would refuse, two Things for one thing, and unquoted YAML that
    is read as something else than it looks like.

    Exit codes:
      0  nothing is wrong
      1  something is
      2  not everything could be read

    Examples:
      thing-operator check things/
      kubectl kustomize overlay | thing-operator check - --config settings.yaml
    """
    try:
        report = _checked(paths, config)
    except ToolError as error:
        refuse(error.message, reason=error.reason, output=output)
    if output is not Output.TABLE:
        emit(_result(report), output)
    else:
        _print(report)
    raise typer.Exit(_EXIT_WRONG if report.diagnostics else 0)


def _checked(paths: list[Path], config: Path | None) -> "CheckReport":
    if find_spec("cel") is None:
        raise ToolError(
            "check needs a package that the operator's image leaves out: install the command with pip install "
            "'.[check]' in a checkout"
        )
    # Imported here: the models take a moment that no other command should wait for.
    from thing_operator.check.checking import check_texts  # noqa: PLC0415
    from thing_operator.check.files import read_texts  # noqa: PLC0415

    return check_texts(read_texts(paths), _limits(config))


def _limits(config: Path | None) -> "CheckLimits":
    from thing_operator.check.checking import CheckLimits  # noqa: PLC0415 - see _checked
    from thing_operator.config import load_settings  # noqa: PLC0415

    if config is None:
        return CheckLimits()
    settings = load_settings(file=config)
    return CheckLimits(settings.shadow.document_limit, settings.endpoint)


def _result(report: "CheckReport") -> dict[str, object]:
    return {
        "things": report.objects["Thing"],
        "thingBatches": report.objects["ThingBatch"],
        "skipped": report.skipped,
        "problems": [asdict(each) for each in report.diagnostics],
    }


def _print(report: "CheckReport") -> None:
    console = Console(highlight=False)
    for each in report.diagnostics:
        # Text, since a key may be called [red] or worse.
        console.print(_line(each), soft_wrap=True)
    things, batches = report.objects["Thing"], report.objects["ThingBatch"]
    problems = len(report.diagnostics)
    said = counted(problems, "problem") if problems else "no problems"
    counts = f"{counted(things, 'Thing')} and {counted(batches, 'ThingBatch', 'ThingBatches')}"
    skipped = f"; {counted(report.skipped, 'document')} of other kinds skipped" if report.skipped else ""
    console.print(Text(f"{said} in {counts}{skipped}"), soft_wrap=True)


def _line(diagnostic: "Diagnostic") -> Text:
    subject = f"{diagnostic.subject}: " if diagnostic.subject else ""
    place = f"{diagnostic.file}:{diagnostic.line}:"
    return Text.assemble((place, "bold"), printable(f" {subject}{diagnostic.message}"))
