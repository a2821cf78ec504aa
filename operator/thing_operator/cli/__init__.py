"""The command line, thing-operator."""

from thing_operator.cli.main import main

__all__ = ["main"]
