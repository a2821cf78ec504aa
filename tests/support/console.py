"""``thing-operator console`` as a process of its own, and Chromium to look at its page."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from tests.support.polling import eventually

from thing_operator.console import bundle
from thing_operator_local.processes import ChildProcess

_LINK = re.compile(r"http://127\.0\.0\.1:\d+/\?token=\S+")
_CHROMIUM = ("chromium", "chromium-browser")


@cache
def page_problem() -> str:
    """Why the page cannot be built here, or nothing; asked once in a run."""
    done = subprocess.run([sys.executable, bundle.__file__], capture_output=True, text=True, check=False)
    return done.stderr.strip() if done.returncode else ""


class Console:
    """A console that is running, and its link."""

    def __init__(self, kubeconfig: Path, folder: Path, options: Sequence[str]) -> None:
        self.log = folder / "console.log"
        command = [sys.executable, "-m", "thing_operator", "console", "--no-browser", *options]
        self.process = ChildProcess(
            [*command, f"--kubeconfig={kubeconfig}"],
            name="console",
            log=self.log,
            env=os.environ | {"PYTHONUNBUFFERED": "1"},
        )
        self.link: str = eventually(self._find_link, "the console says its link")

    @property
    def address(self) -> str:
        """The page's, without the token."""
        return self.link.partition("/?")[0]

    def _find_link(self) -> str | None:
        assert self.process.returncode is None, self.log.read_text(encoding="utf-8")
        found = _LINK.search(self.log.read_text(encoding="utf-8"))
        return found and found[0]


@contextmanager
def running_console(kubeconfig: Path, folder: Path, *options: str) -> Iterator[Console]:
    """One until the end of the block; skips the test where its page cannot be built."""
    if problem := page_problem():
        pytest.skip(problem)
    console = Console(kubeconfig, folder, options)
    try:
        yield console
    finally:
        console.process.stop()


@contextmanager
def chromium() -> Iterator[Any]:
    """Debian's Chromium, driven by Playwright; skips the test where there is none."""
    program = next(filter(None, map(shutil.which, _CHROMIUM)), None)
    if program is None:
        pytest.skip("there is no Chromium here: apt-get install chromium")
    driver = pytest.importorskip("playwright.sync_api")
    with driver.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        try:
            yield browser
        finally:
            browser.close()
