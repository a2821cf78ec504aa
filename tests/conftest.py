"""Fixtures for all tests; each kind of them is a module under ``tests/support``."""

from hypothesis import HealthCheck, settings

# How long an example takes says how busy the machine is, and nothing about the code.
settings.register_profile("untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("untimed")

pytest_plugins = [
    "thing_operator_local.pytest_plugin",
    "tests.support.controlplane",
    "tests.support.cloud",
    "tests.support.mic",
    "tests.support.https_site",
    "tests.support.operator",
    "tests.support.replicas",
    "tests.support.meddling_proxy",
]
