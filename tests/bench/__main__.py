"""``make bench``: how much ten thousand Things cost, beside what they cannot cost less than.

make bench ARGS="--sizes 1000,3000 --json bench.json"
"""

import asyncio
import contextlib
import gc
import json
import logging
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from tests.bench import goals
from tests.bench import replicas as several
from tests.bench.batches import batch_import
from tests.bench.bridge import bridge
from tests.bench.cloud import measure_cloud
from tests.bench.comparison.checkout import install_commit, prepare, resolve_commit
from tests.bench.comparison.command import compare
from tests.bench.console import console_page
from tests.bench.output import machine, numbers
from tests.bench.plugin import plugin
from tests.bench.report import markdown, table, with_ratios
from tests.bench.scenario import Options, measure
from tests.bench.simulation import simulation
from tests.bench.tenants import tenants
from tests.bench.upgrade import measure_upgrade
from tests.bench.world import World
from tests.support.chronicle import announcer

from thing_operator.core.errors import ThingOperatorError
from thing_operator_local.cloud.client import LocalCloud
from thing_operator_local.pki import KeyType
from thing_operator_local.toolchain import reporter_for

app = typer.Typer(pretty_exceptions_enable=False, add_completion=False)


@app.callback(invoke_without_command=True)
def things(  # noqa: PLR0917 - typer makes options out of arguments
    context: typer.Context,
    sizes: Annotated[str, typer.Option(help="numbers of Things, comma between them")] = "100,1000,3000,10000",
    json_file: Annotated[Path | None, typer.Option("--json", help="write all results here")] = None,
    idle: Annotated[float, typer.Option(help="seconds of watching the idle operator; 0 for none")] = 20,
    load: Annotated[
        float, typer.Option(help="seconds of 100 changes/s, and half of it of 1,000; 0 for none")
    ] = 20,
    storm: Annotated[float, typer.Option(help="seconds of 1,000 reports/s; 0 for none")] = 20,
    churn: Annotated[float, typer.Option(help="seconds of 400 changes/s, to find leaks; 0 for none")] = 0,
    undisturbed: Annotated[
        bool,
        typer.Option(help="operator and floors with real-time priority, as on cores of their own (root)"),
    ] = False,
    directory: Annotated[Path | None, typer.Option("--dir", help="keep state and logs here")] = None,
) -> None:
    """Run the operator at each size against a control plane and a cloud on this machine."""
    if context.invoked_subcommand is not None:
        return
    console = Console(stderr=True)
    options = Options(idle=idle, load=load, storm=storm, churn=churn)
    results: list[dict[str, Any]] = []
    for size in numbers(sizes):
        with (
            _folder(directory, size) as folder,
            World(folder, reporter=reporter_for(console), undisturbed=undisturbed) as world,
        ):
            announce = announcer(console)
            announce(f"{size:,} Things")
            measured = measure(world, size=size, options=options, announce=announce)
            results.append(with_ratios(asyncio.run(measured)))
        _write(json_file, results)
        gc.collect()
    Console().print(table(results))


@app.command()
def simulate(
    size: Annotated[int, typer.Option(min=1, help="number of simulated Things")] = 1000,
    every: Annotated[int, typer.Option(min=1, help="seconds between two reports of a Thing")] = 10,
    seconds: Annotated[float, typer.Option(help="how long to watch")] = 60,
    json_file: Annotated[Path | None, typer.Option("--json", help="write the result here")] = None,
) -> None:
    """What it costs the operator to play the devices, too."""
    console = Console(stderr=True)
    with _folder(None, size) as folder, World(folder, reporter=reporter_for(console)) as world:
        found = asyncio.run(simulation(world, size=size, every=every, seconds=seconds))
    _show(found, json_file)


@app.command("plugin")
def plugin_command(
    runs: Annotated[int, typer.Option(min=1, help="how often each command is run")] = 9,
    json_file: Annotated[Path | None, typer.Option("--json", help="write the result here")] = None,
) -> None:
    """What somebody waits for who types kubectl thing."""
    console = Console(stderr=True)
    with _folder(None, runs) as folder, World(folder, reporter=reporter_for(console)) as world:
        found = plugin(world, runs=runs, announce=announcer(console))
    _show(found, json_file)


@app.command()
def batch(
    size: Annotated[int, typer.Option(min=1, max=1000, help="number of things in the zip")] = 1000,
    live: Annotated[int, typer.Option(min=1, help="number of connected Things beside it")] = 200,
    key_type: Annotated[KeyType, typer.Option(help="ec is a hundred times quicker to make")] = KeyType.RSA,
    json_file: Annotated[Path | None, typer.Option("--json", help="write the result here")] = None,
) -> None:
    """How long a batch takes, what it does to live sessions, and what other people's Secrets cost."""
    console = Console(stderr=True)
    with _folder(None, size) as folder, World(folder, reporter=reporter_for(console), audit=True) as world:
        found = asyncio.run(
            batch_import(world, size=size, live=live, key_type=key_type.value, announce=announcer(console))
        )
    _show(found, json_file)


@app.command("tenants")
def tenants_command(
    good: Annotated[int, typer.Option(min=1, help="number of Things of another namespace")] = 1000,
    hostile: Annotated[int, typer.Option(min=20, help="number of hostile objects")] = 300,
    seconds: Annotated[float, typer.Option(help="how long specs change, 20 a second")] = 30,
    json_file: Annotated[Path | None, typer.Option("--json", help="write the result here")] = None,
) -> None:
    """What a namespace of hostile objects does to the Things of another one."""
    console = Console(stderr=True)
    with _folder(None, good) as folder, World(folder, reporter=reporter_for(console)) as world:
        found = asyncio.run(
            tenants(world, good=good, hostile=hostile, seconds=seconds, announce=announcer(console))
        )
    _show(found, json_file)


@app.command("bridge")
def bridge_command(  # noqa: PLR0917 - typer makes options out of arguments
    size: Annotated[int, typer.Option("--things", min=10, help="number of Things in each part")] = 200,
    callers: Annotated[int, typer.Option(min=1, help="number of service accounts")] = 50,
    rate: Annotated[int, typer.Option(min=1, help="reports a second")] = 500,
    streams: Annotated[int, typer.Option(min=1, help="streams of events")] = 1000,
    seconds: Annotated[float, typer.Option(help="how long each part is")] = 20,
    json_file: Annotated[Path | None, typer.Option("--json", help="write the result here")] = None,
) -> None:
    """What the bridge carries, and what a report by it costs."""
    console = Console(stderr=True)
    with _folder(None, size) as folder, World(folder, reporter=reporter_for(console)) as world:
        measured = bridge(
            world,
            size=size,
            callers=callers,
            rate=rate,
            streams=streams,
            seconds=seconds,
            announce=announcer(console),
        )
        found = asyncio.run(measured)
    _show(found, json_file)


@app.command("console")
def console_command(
    size: Annotated[int, typer.Option("--things", min=10, help="number of Things")] = 10000,
    json_file: Annotated[Path | None, typer.Option("--json", help="write the result here")] = None,
) -> None:
    """How soon the console's page shows a fleet, and a change of it, in Chromium."""
    console = Console(stderr=True)
    with _folder(None, size) as folder:
        found = console_page(folder, size=size, announce=announcer(console))
    _show(found, json_file)


@app.command("replicas")
def replicas_command(  # noqa: PLR0917 - typer makes options out of arguments
    size: Annotated[int, typer.Option("--things", min=10, help="number of Things")] = 1000,
    replicas: Annotated[int, typer.Option(min=2, help="number of replicas")] = 3,
    clouds: Annotated[int, typer.Option(min=1, help="number of brokers, to which Things are spread")] = 1,
    phases: Annotated[str, typer.Option(help="phases, comma between them")] = ",".join(several.USUAL_PHASES),
    away: Annotated[float, typer.Option(help="seconds for which the API server is away")] = 300,
    against: Annotated[
        str, typer.Option(help="an earlier commit whose one replica is upgraded beside it; none when empty")
    ] = "",
    directory: Annotated[Path | None, typer.Option("--dir", help="keep state and logs here")] = None,
    json_file: Annotated[Path | None, typer.Option("--json", help="write the result here")] = None,
) -> None:
    """What a move, an upgrade and the loss of a replica cost each session, beside what they are to cost."""
    console = Console(stderr=True)
    options = several.ReplicaOptions(
        things=size, replicas=replicas, clouds=clouds, phases=several.phases_of(phases), away=away
    )
    announce, reporter = announcer(console), reporter_for(console)
    found: dict[str, Any] = {}
    if against:
        product = install_commit(resolve_commit(against), reporter=reporter)
        prepare(product)
        with _folder(directory, size) as folder:
            before = several.measure_one(folder, product, options, reporter=reporter, announce=announce)
        found |= {f"{goals.BEFORE}{key}": value for key, value in before.items()}
    with _folder(directory, size) as folder:
        found |= several.measure(folder, options, reporter=reporter, announce=announce)
    found = goals.with_ratios(found)
    _save(found, json_file)
    for name, value, goal in goals.rows(found):
        Console().print(f"{name:48} {value:>12}  {goal}".rstrip(), highlight=False, soft_wrap=True)


@app.command()
def upgrade(
    against: Annotated[str, typer.Option(help="the earlier commit: a hash, a branch or a tag")],
    size: Annotated[int, typer.Option("--things", min=5, help="number of Things")] = 200,
    shares: Annotated[
        bool, typer.Option(help="it knows of replicas: one follows the other while both run")
    ] = False,
    directory: Annotated[Path | None, typer.Option("--dir", help="keep state and logs here")] = None,
    json_file: Annotated[Path | None, typer.Option("--json", help="write the result here")] = None,
) -> None:
    """From an earlier commit and its CRDs to this checkout, back and up again: what is lost, and for how long."""
    console = Console(stderr=True)
    announce, reporter = announcer(console), reporter_for(console)
    product = install_commit(resolve_commit(against), reporter=reporter)
    prepare(product)
    with _folder(directory, size) as folder:
        found = measure_upgrade(
            folder, product, things=size, shares=shares, reporter=reporter, announce=announce
        )
    _show(found, json_file)


@app.command()
def cloud(
    size: Annotated[int, typer.Option("--things", min=1, help="number of things with shadows")] = 10_000,
    json_file: Annotated[Path | None, typer.Option("--json", help="write the result here")] = None,
) -> None:
    """How fast and how heavy the local cloud is."""
    console = Console(stderr=True)
    with _folder(None, size) as folder:
        stand = LocalCloud(folder, reporter=reporter_for(console))
        found = measure_cloud(stand, things=size, announce=announcer(console))
    _show(found, json_file)


app.command()(compare)


@app.command()
def plot(
    results: Annotated[Path, typer.Argument(help="what --json wrote", exists=True)],
    to: Annotated[Path, typer.Option(help="folder of the pictures")] = Path("docs/pictures"),
) -> None:
    """The table of docs/contributing/benchmarks.md, and its pictures as SVG; of a comparison old and new in one."""
    # Imported here: matplotlib takes a second that no measurement should wait for.
    from tests.bench.plots import draw_all, draw_comparison

    found = json.loads(results.read_text(encoding="utf-8"))
    if "old" in found:
        typer.echo(str(draw_comparison(found, to)))
        return
    typer.echo(markdown(found["sizes"]))
    for file in draw_all(found, to):
        typer.echo(str(file))


def _save(found: dict[str, Any], json_file: Path | None) -> None:
    if json_file is not None:
        json_file.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")


def _show(found: dict[str, Any], json_file: Path | None) -> None:
    _save(found, json_file)
    for key, value in found.items():
        shown = "-" if value is None else f"{value:,.2f}"
        Console().print(f"{key:44} {shown:>12}", highlight=False)


@contextlib.contextmanager
def _folder(directory: Path | None, size: int) -> Iterator[Path]:
    if directory is not None:
        folder = directory.absolute() / f"{datetime.now(UTC):%Y%m%dT%H%M%S}-{size}"
        folder.mkdir(parents=True, exist_ok=True)
        yield folder
        return
    with tempfile.TemporaryDirectory(prefix="thing-operator-bench-") as name:
        yield Path(name)


def _write(file: Path | None, results: list[dict[str, Any]]) -> None:
    if file is None:
        return
    body = {"machine": machine(), "at": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}", "sizes": results}
    file.write_text(json.dumps(body, indent=2) + "\n", encoding="utf-8")


def main() -> None:
    logging.basicConfig(level=logging.WARNING)
    try:
        app()
    except ThingOperatorError as error:
        Console(stderr=True).print(f"error: {error.message}", markup=False, soft_wrap=True)
        raise SystemExit(1) from None


if __name__ == "__main__":
    main()
