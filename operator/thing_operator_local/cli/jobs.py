"""``thing-operator cloud jobs``: make jobs for things, look at them and end them, as somebody in App Board would."""

import json
from typing import Annotated, Any, Final

import typer

from thing_operator_local.cli.assignments import values_of
from thing_operator_local.cli.device import Output
from thing_operator_local.cli.places import RunningFolder
from thing_operator_local.cloud.control import CloudControl
from thing_operator_local.cloud.running import cloud_folder

app = typer.Typer(help="Jobs of things, as AWS IoT Jobs has them.", no_args_is_help=True)

JobId = Annotated[str, typer.Argument(metavar="JOB", help="id of the job")]
OutputOption = Annotated[Output, typer.Option("--output", "-o", help="json: all that is known")]

_COLUMNS: Final = ("THING", "STATUS", "PROGRESS", "DETAILS")


@app.command()
def create(
    job: JobId,
    document: Annotated[
        list[str] | None,
        typer.Argument(metavar="KEY=VALUE", help="what is to be done; a dot goes one level down"),
    ] = None,
    thing: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="name of a thing; may be given again; all things without it"),
    ] = None,
    timeout_minutes: Annotated[
        int | None,
        typer.Option(metavar="MINUTES", min=1, max=10080, help="from the start on one thing to its time-out"),
    ] = None,
    directory: RunningFolder = None,
) -> None:
    """Make a job, which each of its things is notified of.

    Examples:
      thing-operator cloud jobs create reboot-1 operation=reboot --thing 00000001
      thing-operator cloud jobs create firmware-2 operation=update version=2.1 --timeout-minutes 30
    """
    made = _door(directory).create_job(
        job, values_of(document or []), things=thing or (), timeout_minutes=timeout_minutes
    )
    typer.echo(f"{job}: queued for {_things(len(made['things']))}")


@app.command(name="list")
def list_jobs(directory: RunningFolder = None, output: OutputOption = Output.TABLE) -> None:
    """List all jobs, with how many things are at what.

    Examples:
      thing-operator cloud jobs list
      thing-operator cloud jobs list --output json
    """
    found = _door(directory).jobs()
    if output is Output.JSON:
        typer.echo(json.dumps(found, indent=2))
        return
    rows: list[tuple[str, ...]] = [("JOB", "STATUS", "THINGS")]
    rows += [(each["jobId"], each["status"], _counts(each["executions"])) for each in found]
    _print(rows)


@app.command()
def describe(job: JobId, directory: RunningFolder = None, output: OutputOption = Output.TABLE) -> None:
    """Show what each thing has made of a job.

    Examples:
      thing-operator cloud jobs describe reboot-1
      thing-operator cloud jobs describe reboot-1 --output json
    """
    found = _door(directory).job(job)
    if output is Output.JSON:
        typer.echo(json.dumps(found, indent=2))
        return
    _print([_COLUMNS, *(_row(each) for each in found["executions"])])


@app.command()
def cancel(
    job: JobId,
    force: Annotated[bool, typer.Option("--force", help="also where it is in progress")] = False,
    directory: RunningFolder = None,
) -> None:
    """Cancel a job where it has not been started.

    Examples:
      thing-operator cloud jobs cancel reboot-1
      thing-operator cloud jobs cancel reboot-1 --force
    """
    found = _door(directory).cancel_job(job, force=force)
    canceled = sum(each["status"] == "CANCELED" for each in found["executions"])
    typer.echo(f"{job}: canceled for {_things(canceled)}")


@app.command()
def delete(job: JobId, directory: RunningFolder = None) -> None:
    """Delete a job, whatever its things are at.

    Examples:
      thing-operator cloud jobs delete reboot-1
      thing-operator cloud jobs delete reboot-1 --dir ~/cloud
    """
    _door(directory).delete_job(job)
    typer.echo(f"{job}: deleted")


def _door(directory: RunningFolder) -> CloudControl:
    return CloudControl(cloud_folder(directory))


def _things(count: int) -> str:
    return "1 thing" if count == 1 else f"{count} things"


def _counts(executions: dict[str, int]) -> str:
    return ", ".join(f"{count} {status}" for status, count in sorted(executions.items()))


def _row(execution: dict[str, Any]) -> tuple[str, ...]:
    details = dict(execution["statusDetails"])
    progress = details.pop("progress", "")
    rest = ", ".join(f"{name}={text}" for name, text in details.items())
    return execution["thingName"], execution["status"], f"{progress} %" if progress else "", rest


def _print(rows: list[tuple[str, ...]]) -> None:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        typer.echo("   ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip())
