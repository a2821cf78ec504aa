"""``python -m thing_operator_local``: the stand-in's commands without the operator."""

import subprocess
import sys
from pathlib import Path


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "thing_operator_local", *arguments],
        capture_output=True,
        text=True,
        check=False,
    )


def test_what_is_wrong_is_one_line(tmp_path: Path) -> None:
    done = run("cloud", "batch", "--dir", str(tmp_path), "--size", "1", "--output", str(tmp_path / "b.zip"))
    assert done.returncode == 1
    assert done.stderr.startswith(f"error: no cloud runs in {tmp_path}")
    assert "Traceback" not in done.stderr


def test_a_feature_gate_is_a_name_and_true_or_false(tmp_path: Path) -> None:
    done = run("cluster", "run", "--dir", str(tmp_path), "--feature-gate", "ShardedListAndWatch")
    assert done.returncode == 1
    assert "NAME=true or NAME=false is expected" in done.stderr


def test_it_has_the_commands_of_the_stand_in() -> None:
    done = run("--help")
    assert done.returncode == 0
    for name in ("cloud", "cluster", "demo"):
        assert f" {name} " in done.stdout


def test_nothing_of_the_operator_is_loaded() -> None:
    """Beside the import contract, which does not see what is imported by name."""
    code = (
        "import pkgutil, importlib, sys, thing_operator_local as local\n"
        "for each in pkgutil.walk_packages(local.__path__, 'thing_operator_local.'):\n"
        "    if not each.name.endswith(('__main__', 'pytest_plugin')):\n"
        "        importlib.import_module(each.name)\n"
        "sys.exit(any(name.split('.')[0] == 'thing_operator' for name in sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
