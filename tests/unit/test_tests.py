"""The shape of the tests themselves."""

import ast
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

pytestmark = pytest.mark.repository

ROOT = Path(__file__).resolve().parents[2]


def imports(file: Path) -> Iterator[str]:
    """The modules that a file imports anywhere in it; ``from a import b`` is both ``a`` and ``a.b``."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def test_no_test_imports_another() -> None:
    """What two of them need is in ``tests/support``, or in a module of their folder that holds no test."""
    tests = ROOT / "tests"
    wrong = [
        f"{file.relative_to(ROOT)} imports {module}"
        for file in tests.rglob("*.py")
        for module in imports(file)
        if module.startswith("tests.")
        and (
            any(part == "conftest" or part.startswith("test_") for part in module.split("."))
            or (module.startswith("tests.bench") and "bench" not in file.parts)
        )
    ]
    assert wrong == []


def test_no_class_of_the_tests_has_two_meanings() -> None:
    """Whoever searches for a name finds one class; pytest's own groups of tests are none."""
    found: dict[str, list[str]] = {}
    for file in (ROOT / "tests").rglob("*.py"):
        for node in ast.parse(file.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("Test"):
                found.setdefault(node.name, []).append(str(file.relative_to(ROOT)))
    assert {name: files for name, files in found.items() if len(files) > 1} == {}


def test_unit_tests_are_in_the_folders_of_what_they_test() -> None:
    """``tests/unit/session`` tests ``thing_operator.session``; what is beside the operator has its own name."""
    unit = ROOT / "tests" / "unit"
    strangers = []
    for file in unit.rglob("test_*.py"):
        folder = file.parent.relative_to(unit)
        sources = (ROOT / "operator" / "thing_operator", ROOT / "operator", ROOT, ROOT / "tests")
        if not any((source / folder).is_dir() for source in sources):
            strangers.append(str(file.relative_to(ROOT)))
    assert strangers == []


def test_what_need_not_be_covered_by_unit_tests_is_there() -> None:
    """A module that is split or renamed is pure until somebody says otherwise."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["coverage"]["run"]
    package = ROOT / "operator" / "thing_operator"
    assert [each for each in settings["source"] if not (ROOT / each).is_dir()] == []
    assert [each for each in settings["omit"] if not (package / each.removeprefix("*/")).is_file()] == []
