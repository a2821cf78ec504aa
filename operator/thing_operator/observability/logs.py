"""Log lines: JSON for machines, one short line for a terminal."""

import logging
import sys
from typing import Any, Final

from aiohttp.http_exceptions import HttpProcessingError
from pythonjsonlogger.json import JsonFormatter

from thing_operator.core.printable import printable


def configure_logs(*, level: str, form: str) -> None:
    """Send all logs from ``level`` on to stderr; ``form`` is json, console or auto (console on a terminal)."""
    console = form == "console" or (form == "auto" and sys.stderr.isatty())
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_console_formatter() if console else _json_formatter())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    # kopf tells of each event at debug and of its own tasks at info; what it warns of matters.
    logging.getLogger("kopf").setLevel(max(logging.WARNING, root.level))
    logging.getLogger("asyncio").setLevel(max(logging.WARNING, root.level))


class _WithoutFaultsOfClients(logging.Filter):
    """Leaves out what a client has sent that is no HTTP. aiohttp quotes it, and it may hold the client's token."""

    def filter(self, record: logging.LogRecord) -> bool:
        return not (record.exc_info and isinstance(record.exc_info[1], HttpProcessingError))


HTTP_LOG: Final = logging.getLogger("thing_operator.http")
"""For the servers of aiohttp: who reaches a port cannot fill the log with faults of his own, or words."""
HTTP_LOG.addFilter(_WithoutFaultsOfClients())


class _ConsoleFormatter(logging.Formatter):
    """What is logged may be the words of a broker or of MIC: nothing of them reaches the terminal as a command.

    JSON escapes all of that by itself.
    """

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - logging's name
        record.message = printable(record.message)
        return super().formatMessage(record)

    def formatException(self, ei: Any) -> str:  # noqa: N802 - logging's name
        return "\n".join(map(printable, super().formatException(ei).split("\n")))


def _console_formatter() -> logging.Formatter:
    """Without the logger's name, which is a quarter of a terminal's line; JSON has it."""
    return _ConsoleFormatter("%(asctime)s %(levelname)-7s %(message)s", datefmt="%H:%M:%S")


def _json_formatter() -> logging.Formatter:
    return JsonFormatter(
        "{asctime}{levelname}{name}{message}",
        style="{",
        rename_fields={"asctime": "time", "levelname": "level", "name": "logger"},
        datefmt="%Y-%m-%dT%H:%M:%S%z",
    )
