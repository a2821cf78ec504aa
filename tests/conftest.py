"""Fixtures for all tests; each kind of them is a module under ``tests/fixtures``."""

pytest_plugins = [
    "tests.fixtures.controlplane",
    "tests.fixtures.cloud",
    "tests.fixtures.mic",
    "tests.fixtures.operator",
]
