"""Fixtures for all tests; each kind of them is a module under ``tests/fixtures``."""

from hypothesis import HealthCheck, settings

# How long an example takes says how busy the machine is, and nothing about the code.
settings.register_profile("untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("untimed")

pytest_plugins = [
    "tests.fixtures.controlplane",
    "tests.fixtures.cloud",
    "tests.fixtures.mic",
    "tests.fixtures.operator",
]
