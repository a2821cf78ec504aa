"""Which Pythons are found, with programs that say that they are one."""

from pathlib import Path

import pytest
from tools.pythons import installed


def program(folder: Path, name: str, says: str, *, code: int = 0) -> Path:
    """One that says what a Python would say of its version."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    path.write_text(f"#!/bin/sh\necho {says}\nexit {code}\n")
    path.chmod(0o755)
    return path


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """Two folders on PATH, and an empty home of pyenv."""
    return {"PATH": f"{tmp_path / 'a'}:{tmp_path / 'b'}", "PYENV_ROOT": str(tmp_path / "pyenv")}


def test_the_first_of_each_version_that_is_supported(tmp_path: Path, environment: dict[str, str]) -> None:
    program(tmp_path / "a", "python3.10", "3 10")
    eleven = program(tmp_path / "b", "python3.11", "3 11")
    twelve = program(tmp_path / "a", "python3.12", "3 12")
    program(tmp_path / "b", "python3.12", "3 12")
    program(tmp_path / "b", "python3.15", "3 15")
    assert list(installed(environment)) == [("3.11", eleven), ("3.12", twelve)]


def test_what_does_not_run_or_is_another_is_passed_over(tmp_path: Path, environment: dict[str, str]) -> None:
    program(tmp_path / "a", "python3.12", "", code=127)  # a shim of pyenv
    program(tmp_path / "a", "python3.13", "3 12")
    (tmp_path / "a" / "python3.14").write_text("no program at all")
    (tmp_path / "a" / "python3.14").chmod(0o755)
    behind = program(tmp_path / "b", "python3.12", "3 12")
    assert list(installed(environment)) == [("3.12", behind)]


def test_pyenv_is_asked_too(tmp_path: Path, environment: dict[str, str]) -> None:
    program(tmp_path / "pyenv/versions/3.13.0/bin", "python3.13", "3 13")
    newer = program(tmp_path / "pyenv/versions/3.13.1/bin", "python3.13", "3 13")
    assert list(installed(environment)) == [("3.13", newer)]


def test_the_versions_are_those_of_the_project() -> None:
    import tomllib

    from tools.pythons import OLDEST

    project = tomllib.loads((Path(__file__).parents[3] / "pyproject.toml").read_text())["project"]
    assert project["requires-python"] == f">=3.{OLDEST}"
