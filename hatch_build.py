"""The wheel's build hook: the console's page goes into the wheel, built from its sources by npm.

Where there is no npm, or no way to what it fetches, the wheel has no page, and the console says so. With
``THING_OPERATOR_CONSOLE=require`` that is an error; with ``skip`` the page is left out.
"""

import atexit
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

_CONSOLE = Path("operator", "thing_operator", "console")
_VARIABLE = "THING_OPERATOR_CONSOLE"


class ConsoleBuildHook(BuildHookInterface[Any]):
    """Builds the page into a folder of its own, which lives as long as the build."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Have the page included. An editable installation has its page from ``make console``."""
        wanted = os.environ.get(_VARIABLE, "")
        if version == "editable" or wanted == "skip" or not Path(self.root, _CONSOLE, "web").is_dir():
            return
        folder = tempfile.mkdtemp(prefix="thing-operator-page-")
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
        page = Path(folder, "assets")
        problem = self._build(page)
        if not problem:
            build_data["force_include"][str(page)] = "thing_operator/console/assets"
        elif wanted == "require":
            raise RuntimeError(problem)
        else:
            self.app.display_warning(f"the wheel has no page for the console: {problem}")

    def _build(self, page: Path) -> str:
        """What went wrong, or nothing."""
        if shutil.which("npm") is None:
            return "there is no npm (Node.js 20 or newer)"
        bundle = Path(self.root, _CONSOLE, "bundle.py")
        done = subprocess.run([sys.executable, bundle, page], capture_output=True, text=True, check=False)
        return done.stderr.strip() if done.returncode else ""
