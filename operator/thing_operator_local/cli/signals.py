"""Signals as an exception: it unwinds the stack, and with it every child process ends."""

import signal
from typing import NoReturn


def end_with_signals() -> None:
    """From now on SIGTERM and SIGHUP are what Ctrl-C is: KeyboardInterrupt, in the main thread."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupt)


def _interrupt(_number: int, _frame: object) -> NoReturn:
    raise KeyboardInterrupt
