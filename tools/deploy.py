"""Write (or, with ``--check``, compare) what ``deploy/`` has of the chart: manifests for kustomize.

The CRDs there are written by ``tools/chart.py``, which needs no Helm.
"""

import re
import subprocess
import sys
from pathlib import Path

from thing_operator_local.controlplane import HELM, locate_binaries
from thing_operator_local.toolchain import LineReporter

ROOT = Path(__file__).resolve().parents[1]
CHART = ROOT / "charts" / "thing-operator"

_NAME = "thing-operator"
# The chart refuses none. In deploy/ the name of the image is what an overlay replaces.
_REGISTRY = "localhost"
_HEADER = "# Rendered from charts/thing-operator by `make chart`; do not edit.\n"
_SOURCE = re.compile(r"^# Source: thing-operator/templates/(\S+)\n", re.MULTILINE)
# What is Helm's, and what kustomize's configMapGenerator does its own way.
_DROPPED = re.compile(
    r"^ *(app\.kubernetes\.io/managed-by: Helm|helm\.sh/chart: .*"
    r"|annotations:\n +checksum/config: .*)\n",
    re.MULTILINE,
)

_BRIDGE_PORT = 8090
"""That of the component for kustomize, whose patch names it, too."""

_BASE = {
    "serviceaccount.yaml": "serviceaccount.yaml",
    "rbac/users.yaml": "users.yaml",
    "rbac/replicas.yaml": "replicas.yaml",
    "service.yaml": "service.yaml",
    "deployment.yaml": "deployment.yaml",
}


def generated(helm: Path) -> dict[Path, str]:
    """Every generated file and what it should hold."""
    base, overlays = ROOT / "deploy" / "base", ROOT / "deploy" / "overlays"
    parts = _render(helm, "--values=/dev/null")
    files = {base / file: parts[source] for source, file in _BASE.items()}
    # An overlay may move the operator, and kustomize does not look into expressions.
    account = f" == 'system:serviceaccount:{_NAME}:{_NAME}'"
    admission = parts["rbac/admission.yaml"].replace(account, f".endsWith(':{_NAME}')")
    files[overlays / "cluster" / "rbac.yaml"] = f"{parts['rbac/operator.yaml']}---\n{admission}"
    namespaced = _render(helm, f"--set=namespaces={{{_NAME}}},rbac.namespaceDeletion=false")
    files[overlays / "namespaced" / "rbac.yaml"] = namespaced["rbac/operator.yaml"]
    bridged = _render(helm, f"--set=config.bridge.port={_BRIDGE_PORT}")
    bridge = ROOT / "deploy" / "kustomize" / "bridge"
    files[bridge / "rbac.yaml"] = bridged["rbac/bridge.yaml"]
    files[bridge / "service.yaml"] = bridged["service.yaml"].removeprefix(parts["service.yaml"]).lstrip("-\n")
    return {path: _HEADER + text for path, text in files.items()}


def _render(helm: Path, values: str) -> dict[str, str]:
    """What each template renders to."""
    command = [str(helm), "template", _NAME, str(CHART), f"--namespace={_NAME}", values]
    command.append(f"--set=image.registry={_REGISTRY}")
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    found: dict[str, str] = {}
    pieces = _SOURCE.split(_DROPPED.sub("", done.stdout).replace(f"{_REGISTRY}/", ""))
    for source, text in zip(pieces[1::2], pieces[2::2], strict=True):
        content = text.strip().removesuffix("---").strip() + "\n"
        found[source] = f"{found[source]}---\n{content}" if source in found else content
    return found


def main() -> None:
    check = sys.argv[1:] == ["--check"]
    helm = locate_binaries(HELM[:1], reporter=LineReporter(print))["helm"]
    files = generated(helm)
    stale = [p for p, text in files.items() if not p.is_file() or p.read_text(encoding="utf-8") != text]
    if check and stale:
        names = ", ".join(str(path.relative_to(ROOT)) for path in stale)
        sys.exit(f"{names}: not what the chart renders to: run make chart")
    for path in stale:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(files[path], encoding="utf-8")


if __name__ == "__main__":
    main()
