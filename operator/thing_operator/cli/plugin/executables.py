"""The two executables that kubectl looks for on PATH: ``kubectl-thing`` for the plugin, ``kubectl_complete-thing`` for
whoever presses Tab.
"""

import gc
import os
import shlex
import sys

from typer.completion import get_completion_inspect_parameters

from thing_operator.cli.plugin.group import app
from thing_operator.cli.running import run_to_the_end

_PROGRAM = "kubectl-thing"
_COLLECTED_AFTER = 100_000
"""Objects more than there were: a look makes fewer, ``watch`` is long enough at it."""


def main() -> None:
    """Entry point of ``kubectl-thing``."""
    # What is loaded stays: collections between would cost a tenth of the time that somebody waits.
    gc.set_threshold(_COLLECTED_AFTER)
    run_to_the_end(lambda: app(prog_name="kubectl thing"))


def complete() -> None:
    """Entry point of ``kubectl_complete-thing``: what may come next, a line for each, and then kubectl's directive.

    The arguments are those typed after ``kubectl thing``, the last of them the incomplete one.
    """
    # An app without typer's own options of completion has not registered the shells yet.
    get_completion_inspect_parameters()
    *done, incomplete = sys.argv[1:] or [""]
    typed = shlex.join([_PROGRAM, *done, *([incomplete] if incomplete else [])])
    os.environ |= {
        "_KUBECTL_THING_COMPLETE": "complete_fish",  # its lines have the form of kubectl's: a word, a tab, its help
        "_TYPER_COMPLETE_ARGS": typed if incomplete else f"{typed} ",
        "_TYPER_COMPLETE_FISH_ACTION": "get-args",
    }
    try:
        app(prog_name=_PROGRAM)
    finally:
        sys.stdout.write(":4\n")  # cobra's directive: no files
