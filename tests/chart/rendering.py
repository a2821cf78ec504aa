"""Rendering the chart with given values, as ``helm template`` does it."""

import json
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[2]
CHART = ROOT / "charts" / "thing-operator"

Json = dict[str, Any]
REGISTRY: Json = {"registry": "reg.example"}

# The C parser where PyYAML was built with it: the CRDs are long.
_Loader: type[Any] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class RefusedError(Exception):
    """Helm refuses the values; its words."""


@dataclass(frozen=True, slots=True)
class Helm:
    """One helm program and the chart."""

    program: Path
    chart: Path = CHART
    release: str = "r"
    namespace: str = "ns"

    def text(self, values: Json | None = None) -> str:
        """What ``helm template`` prints; raises RefusedError."""
        done = self._run(
            "template", self.release, str(self.chart), f"--namespace={self.namespace}", values=values
        )
        if done.returncode != 0:
            raise RefusedError(done.stderr)
        return done.stdout

    def lint(self, values: Json | None = None) -> str:
        """What ``helm lint --strict`` finds; empty when it finds nothing worse than a hint."""
        done = self._run("lint", "--strict", str(self.chart), values=values)
        return "" if done.returncode == 0 else done.stdout + done.stderr

    def _run(self, *arguments: str, values: Json | None) -> subprocess.CompletedProcess[str]:
        if self.chart == CHART:
            values = installable(values or {})
        return subprocess.run(
            [str(self.program), *arguments, "--values=-"],
            input=json.dumps(values or {}),
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )

    def objects(self, values: Json | None = None) -> list[Json]:
        """The objects it renders to; without the CRDs, unless the values ask for them."""
        return load({"crds": {"enabled": False}} | (values or {}), self)


def installable(values: Json) -> Json:
    """The values with a registry where they name none, which the chart refuses."""
    image = values.get("image", {})
    return values | {"image": REGISTRY | image} if isinstance(image, dict) else values


def parent_chart(folder: Path, values: Json, dependencies: Sequence[Json] = ({},)) -> Path:
    """A chart with these values that this one is a part of, once for each dependency; returns its folder."""
    about = yaml.safe_load((CHART / "Chart.yaml").read_text(encoding="utf-8"))
    part = {key: about[key] for key in ("name", "version")}
    parent: Json = {"apiVersion": "v2", "name": "parent", "version": "1.0.0"}
    parent["dependencies"] = [part | dependency for dependency in dependencies]
    folder.mkdir(parents=True)
    (folder / "Chart.yaml").write_text(json.dumps(parent), encoding="utf-8")
    (folder / "values.yaml").write_text(json.dumps(values), encoding="utf-8")
    shutil.copytree(CHART, folder / "charts" / part["name"])
    return folder


def load(values: Json, helm: Helm) -> list[Json]:
    return [body for body in yaml.load_all(helm.text(values), Loader=_Loader) if body]


def of_kind(objects: list[Json], kind: str) -> list[Json]:
    return [body for body in objects if body["kind"] == kind]


def nested(path: str, value: Any) -> Json:
    """``a.b`` and 1 make ``{"a": {"b": 1}}``."""
    head, _, rest = path.partition(".")
    return {head: nested(rest, value) if rest else value}
