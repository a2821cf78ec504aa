"""``thing-operator cluster``: a real Kubernetes control plane on this machine, without nodes."""

import json
import time
from contextlib import suppress
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from thing_operator_local.cli.signals import end_with_signals
from thing_operator_local.controlplane import CONTROL_PLANE, ControlPlane, locate_binaries
from thing_operator_local.errors import LocalError
from thing_operator_local.files import make_folder
from thing_operator_local.operator import write_crds
from thing_operator_local.toolchain import reporter_for

app = typer.Typer(help="A local Kubernetes control plane.", no_args_is_help=True)

_LOOK_EVERY = 0.5


@app.command()
def run(
    directory: Annotated[Path, typer.Option("--dir", help="folder of its state; made when missing")],
    port: Annotated[
        int | None, typer.Option(min=1, max=65535, help="port of the API server; without it a free one")
    ] = None,
    crds: Annotated[bool, typer.Option(help="install the CRDs of Thing and ThingBatch")] = True,
    feature_gate: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=BOOL", help="a feature gate of the API server; may be given again"),
    ] = None,
) -> None:
    """Run etcd, kube-apiserver and a few controllers until SIGTERM or Ctrl-C; DIR/kubeconfig is the administrator's.

    There is no kubelet: objects are real, pods do not run. The first start builds the programs.

    Examples:
      thing-operator cluster run --dir ~/cluster
      thing-operator cluster run --dir ~/cluster --port 6443
      thing-operator cluster run --dir ~/cluster --feature-gate ShardedListAndWatch=true
    """
    gates = dict(map(_gate, feature_gate or ()))
    end_with_signals()
    folder = directory.absolute()
    make_folder(folder)
    manifests = [write_crds(folder / "crds")] if crds else []
    reporter = reporter_for(Console(stderr=True))
    binaries = locate_binaries(CONTROL_PLANE, reporter=reporter, quick=True)
    plane = ControlPlane(
        folder, reporter=reporter, port=port, manifests=manifests, feature_gates=gates, binaries=binaries
    )
    with suppress(KeyboardInterrupt), plane:
        if Console().is_terminal:
            typer.echo(_welcome(plane, folder))
        else:
            places = {"server": plane.server, "kubeconfig": plane.kubeconfig, "ca": plane.ca_file}
            typer.echo(json.dumps(places | {"kubectl": plane.kubectl_path}, default=str))
        while True:
            for process in plane.processes.values():
                process.check_running()
            time.sleep(_LOOK_EVERY)


def _gate(text: str) -> tuple[str, bool]:
    name, _, value = text.partition("=")
    if not name.isalnum() or value not in {"true", "false"}:
        raise LocalError(f"--feature-gate {text}: NAME=true or NAME=false is expected")
    return name, value == "true"


def _welcome(plane: ControlPlane, folder: Path) -> str:
    return f"""The control plane is ready at {plane.server}; Ctrl-C ends it, and its state stays in {folder}.

In another terminal:

  export KUBECONFIG={plane.kubeconfig}
  alias kubectl={plane.kubectl_path}
  kubectl get crds
  thing-operator run --all-namespaces
"""
