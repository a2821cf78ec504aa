"""What somebody waits for who types ``kubectl thing``: its start, and an explanation beside a plain ``kubectl get``."""

import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Final

from tests.bench.world import World

from thing_operator_local.toolchain.programs import CONTROL_PLANE, locate_binaries

_THING: Final = """
apiVersion: thing-operator.io/v1alpha1
kind: Thing
metadata: {name: freezer-1, namespace: default}
spec: {desired: {setpoint: -18}}
"""
GOALS: Final = {"start_cpu_seconds": 0.3, "explain_beyond_get_seconds": 0.5}


def plugin(world: World, *, runs: int, announce: Callable[[str], None]) -> dict[str, float]:
    """Medians over some runs: CPU seconds of the plugin's help and of completion; seconds that ``get`` and ``explain``
    take, by how much the second is longer in one run, and its CPU, kubectl's included.
    """
    kubectl = str(locate_binaries(CONTROL_PLANE, reporter=world.reporter)["kubectl"])
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    env = os.environ | {"PATH": path, "KUBECONFIG": str(world.plane.kubeconfig)}
    subprocess.run(
        [kubectl, "apply", "-f", "-"], input=_THING, text=True, env=env, check=True, capture_output=True
    )
    get, explain = ([kubectl, *words, "freezer-1"] for words in (["get", "things"], ["thing", "explain"]))
    starts, completions, gets, beyond, cpu = [], [], [], [], []
    for number in range(runs):
        announce(f"run {number + 1} of {runs}")
        starts.append(_cpu(["kubectl-thing", "--help"], env))
        completions.append(_cpu(["kubectl_complete-thing", "exp"], env))
        plain = _wall(get, env)
        gets.append(plain)
        beyond.append(_wall(explain, env) - plain)
        cpu.append(_cpu(explain, env))
    return {
        "start_cpu_seconds": median(starts),
        "completion_cpu_seconds": median(completions),
        "get_seconds": median(gets),
        "explain_beyond_get_seconds": median(beyond),
        "explain_cpu_seconds": median(cpu),
    } | {f"goal_{name}": goal for name, goal in GOALS.items()}


def _cpu(command: list[str], env: dict[str, str]) -> float:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    _run(command, env)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def _wall(command: list[str], env: dict[str, str]) -> float:
    began = time.perf_counter()
    _run(command, env)
    return time.perf_counter() - began


def _run(command: list[str], env: dict[str, str]) -> None:
    # 1: the Thing is not Ready, since no operator runs.
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    if done.returncode not in {0, 1}:
        raise RuntimeError(f"{command[0]}: {done.stderr}")
