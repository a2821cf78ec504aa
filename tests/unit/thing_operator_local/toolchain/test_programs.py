"""Which copy of a program is taken: KUBEBUILDER_ASSETS, then PATH, when it says the right minor version."""

import subprocess
import sys
from pathlib import Path

import pytest

from thing_operator_local.toolchain import LineReporter
from thing_operator_local.toolchain.programs import locate_binaries

_SAYS = {
    "etcd": "etcd Version: 3.{minor}.0",
    "kube-apiserver": "Kubernetes v1.{minor}.5",
    "kubectl": "Client Version: v1.{minor}.9-vendor",
    "helm": "v4.{minor}.2+gabcdef0",
}
_PINNED = {"etcd": 7, "kube-apiserver": 37, "kubectl": 37, "helm": 3}


class Folders:
    """A folder for each place, with programs that only say a version."""

    def __init__(self, root: Path) -> None:
        self.assets, self.path = root / "assets", root / "path"
        for folder in (self.assets, self.path):
            folder.mkdir()

    def put(self, folder: Path, name: str, *, off: int = 0, text: str | None = None) -> Path:
        says = text if text is not None else _SAYS[name].format(minor=_PINNED[name] + off)
        program = folder / name
        program.write_text(f"#!/bin/sh\necho '{says}'\n", encoding="utf-8")
        program.chmod(0o755)
        return program


@pytest.fixture
def folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Folders:
    folders = Folders(tmp_path)
    monkeypatch.setenv("KUBEBUILDER_ASSETS", str(folders.assets))
    monkeypatch.setenv("PATH", str(folders.path))
    return folders


def test_assets_come_before_path(folders: Folders) -> None:
    elsewhere = ("etcd", "kube-apiserver", "kubectl")
    on_path = {name: folders.put(folders.path, name) for name in elsewhere}
    in_assets = {name: folders.put(folders.assets, name) for name in ("etcd", "kube-apiserver")}
    assert locate_binaries(elsewhere, reporter=LineReporter(pytest.fail)) == on_path | in_assets


def test_an_asset_of_another_version_is_passed_over_and_named(folders: Folders) -> None:
    folders.put(folders.assets, "kube-apiserver", off=-3)
    right = folders.put(folders.path, "kube-apiserver")
    said: list[str] = []
    found = locate_binaries(["kube-apiserver"], reporter=LineReporter(said.append))
    assert found == {"kube-apiserver": right}
    assert said == ["passing over kube-apiserver in KUBEBUILDER_ASSETS: 1.34, needed is 1.37"]


@pytest.mark.parametrize(
    ("name", "off", "taken"),
    [
        ("kubectl", 1, True),
        ("kubectl", -1, True),
        ("kubectl", -2, False),
        ("kube-apiserver", 1, False),
        ("etcd", -1, True),
        ("etcd", -2, False),
        ("helm", 1, True),
        ("helm", -2, False),
    ],
)
def test_how_far_a_version_may_be_off(folders: Folders, name: str, off: int, taken: bool) -> None:
    on_path = folders.put(folders.path, name, off=off)
    in_assets = folders.put(folders.assets, name, off=off)
    folders.put(folders.path, name)  # the right one, so that nothing is built
    said: list[str] = []
    found = locate_binaries([name], reporter=LineReporter(said.append))
    assert found == {name: in_assets if taken else on_path}
    assert bool(said) is not taken


@pytest.mark.parametrize("off", [-10, -2])
def test_a_quick_look_takes_an_older_kubectl(folders: Folders, tmp_path: Path, off: int) -> None:
    older = folders.put(folders.path, "kubectl", off=off)
    reporter = LineReporter(pytest.fail)
    found = locate_binaries(["kubectl"], reporter=reporter, cache=tmp_path, quick=True)
    assert found == {"kubectl": older}


@pytest.mark.parametrize("text", ["", "no numbers here", "v1"])
def test_a_program_that_says_no_version_is_passed_over(folders: Folders, text: str) -> None:
    folders.put(folders.assets, "kubectl", text=text)
    right = folders.put(folders.path, "kubectl")
    said: list[str] = []
    assert locate_binaries(["kubectl"], reporter=LineReporter(said.append)) == {"kubectl": right}
    assert said == ["passing over kubectl in KUBEBUILDER_ASSETS: no version, needed is 1.37"]


_GO = """#!/bin/sh
if [ "$1" = env ]; then echo go1.99.0; exit; fi
while [ $# -gt 0 ]; do
  case "$1" in
    -gcflags=*) flags="$flags $1" ;;
    -o) shift; out="$1" ;;
  esac
  shift
done
echo "$flags" > "$out/controllers"
/bin/chmod +x "$out/controllers"
"""
"""A compiler whose programs are the flags that they were built with."""


def test_a_quick_build_has_its_own_key_and_an_optimised_one_is_taken_instead(
    folders: Folders, tmp_path: Path
) -> None:
    go = folders.path / "go"
    go.write_text(_GO, encoding="utf-8")
    go.chmod(0o755)
    said: list[str] = []

    def build(*, quick: bool) -> Path:
        reporter = LineReporter(said.append)
        found = locate_binaries(["controllers"], reporter=reporter, cache=tmp_path / "cache", quick=quick)
        return found["controllers"]

    first = build(quick=True)
    assert first.read_text(encoding="utf-8").split() == ["-gcflags=all=-N", "-l", "-c=1"]
    assert "about 4 minutes on two cores" in said[0]
    optimised = build(quick=False)
    assert "-N" not in optimised.read_text(encoding="utf-8")
    assert first != optimised
    said.clear()
    assert build(quick=True) == optimised
    assert build(quick=False) == optimised
    assert said == [], "both come from the cache"


def test_building_needs_no_more_than_make_demo_installs_first() -> None:
    """Beside the standard library: platformdirs and rich, with what rich needs."""
    code = (
        "import sys; import thing_operator_local.toolchain.programs\n"
        "first = {name.partition('.')[0] for name in sys.modules} - sys.stdlib_module_names\n"
        "print(*sorted(name for name in first if not name.startswith('_')))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    needed = {
        "platformdirs",
        "rich",
        "markdown_it",
        "mdurl",
        "pygments",
        "thing_operator_local",
        "sitecustomize",
    }
    assert set(done.stdout.split()) <= needed
