"""The shape of the source tree."""

import subprocess
import sys
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
