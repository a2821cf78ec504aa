"""Go programs, built once into the user's cache from modules that are package data."""

from thing_operator_local.toolchain.building import GoModule, GoProgram, build_binaries, cached_binaries
from thing_operator_local.toolchain.cache import cache_dir
from thing_operator_local.toolchain.reporter import LineReporter, Reporter, TerminalReporter, reporter_for

__all__ = [
    "GoModule",
    "GoProgram",
    "LineReporter",
    "Reporter",
    "TerminalReporter",
    "build_binaries",
    "cache_dir",
    "cached_binaries",
    "reporter_for",
]
