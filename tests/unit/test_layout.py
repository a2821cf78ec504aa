"""The shape of the source tree."""

import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_source_root_is_no_package() -> None:
    """``operator/__init__.py`` would shadow the standard library's ``operator`` for anyone in this folder."""
    assert not (ROOT / "operator" / "__init__.py").exists()


def test_standard_operator_is_importable_from_the_checkout() -> None:
    code = "import operator; print(operator.itemgetter)"
    completed = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert "itemgetter" in completed.stdout


def wheel_of(project: Path) -> set[str]:
    """The import packages in the wheel of a project's folder, built where there is no Node.js."""
    build = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", "dist"]
    subprocess.run(build, cwd=project, env={"PATH": ""}, capture_output=True, text=True, check=True)
    (wheel,) = (project / "dist").glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        return {name.partition("/")[0] for name in archive.namelist() if name.endswith("/__init__.py")}


def copy(paths: list[str], to: Path) -> None:
    for each in paths:
        target = to / each
        target.parent.mkdir(parents=True, exist_ok=True)
        if (ROOT / each).is_dir():
            shutil.copytree(ROOT / each, target)
        else:
            shutil.copy(ROOT / each, target)


def test_the_image_is_built_of_the_operator_alone(tmp_path: Path) -> None:
    """From what the Dockerfile copies, all of which ``.dockerignore`` lets through."""
    lines = re.findall(r"^COPY (?!--from)(.+) \S+$", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
    copied = " ".join(lines).split()
    admitted = {
        line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")
    }
    assert set(copied) == admitted
    copy(copied, tmp_path)
    assert wheel_of(tmp_path) == {"thing_operator"}


def test_the_wheel_has_the_stand_in_too(tmp_path: Path) -> None:
    copy(["pyproject.toml", "hatch_build.py", "README.md", "LICENSE", "operator"], tmp_path)
    assert wheel_of(tmp_path) == {"thing_operator", "thing_operator_local"}


def test_make_help_lists_every_target() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = re.findall(r"^([\w-]+):", makefile, re.MULTILINE)
    command = ["make", "--no-print-directory", "help"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert [line.split()[0] for line in listed.splitlines()] == targets
    assert sorted(re.findall(r"^\.PHONY: (.*)$", makefile, re.MULTILINE)[0].split()) == sorted(targets)
