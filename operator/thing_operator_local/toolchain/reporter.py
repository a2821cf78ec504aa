"""Telling the user what takes long, and for how long it already does."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol

from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn


class Reporter(Protocol):
    """Shows the long steps of the local parts."""

    def say(self, message: str) -> None:
        """Show one line of progress to a person."""

    def step(self, description: str, *, expected: str = "") -> AbstractContextManager[None]:
        """Tell that something begins, how long it takes while the context is open, and that it is done.

        ``expected`` says how long it is likely to take.
        """


class LineReporter:
    """Plain lines, for logs and pipes: one when a step begins, one every ``interval`` s, one at its end."""

    def __init__(self, write: Callable[[str], None], *, interval: float = 30.0) -> None:
        self._write = write
        self._interval = interval

    def say(self, message: str) -> None:
        self._write(message)

    @contextmanager
    def step(self, description: str, *, expected: str = "") -> Iterator[None]:
        started = time.monotonic()
        done = threading.Event()

        def keep_telling() -> None:
            while not done.wait(self._interval):
                self._write(f"still {description}: {_elapsed(started)} so far")

        self._write(_announced(description, expected))
        thread = threading.Thread(target=keep_telling, name="progress", daemon=True)
        thread.start()
        try:
            yield
        finally:
            done.set()
            thread.join()
        self._write(f"done {description}: {_elapsed(started)}")


class TerminalReporter:
    """A spinner with the elapsed time on a terminal."""

    def __init__(self, console: Console) -> None:
        self._console = console

    def say(self, message: str) -> None:
        self._console.print(message, markup=False, highlight=False)

    @contextmanager
    def step(self, description: str, *, expected: str = "") -> Iterator[None]:
        started = time.monotonic()
        columns = (SpinnerColumn(), TextColumn("{task.description}", markup=False), TimeElapsedColumn())
        with Progress(*columns, console=self._console, transient=True) as progress:
            progress.add_task(_announced(description, expected), total=None)
            yield
        self.say(f"done {description}: {_elapsed(started)}")


def reporter_for(console: Console) -> Reporter:
    """A spinner when ``console`` is a terminal, plain lines when it is not."""
    if console.is_terminal:
        return TerminalReporter(console)
    return LineReporter(lambda line: console.print(line, markup=False, highlight=False, soft_wrap=True))


def _announced(description: str, expected: str) -> str:
    return f"{description} ({expected})" if expected else description


def _elapsed(started: float) -> str:
    minutes, seconds = divmod(round(time.monotonic() - started), 60)
    return f"{minutes} min {seconds} s" if minutes else f"{seconds} s"
