"""What the local cloud's broker has said of those whom it turned away."""

from collections.abc import Callable

from tests.support.polling import eventually

from thing_operator_local.cloud.client import LocalCloud
from thing_operator_local.cloud.layout import CloudLayout

Explained = Callable[..., None]
"""Waits for one new line of the log that has all these words."""


def new_lines_of(cloud: LocalCloud) -> Explained:
    """Of the lines that come from now on."""
    log = CloudLayout(cloud.folder).broker_log
    before = log.stat().st_size

    def wait(*words: str) -> None:
        def found() -> bool:
            lines = log.read_bytes()[before:].decode().splitlines()
            return any(all(word in line for word in words) for line in lines)

        eventually(found, f"a line with {words}", timeout=30)

    return wait
