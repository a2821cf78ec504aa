"""Fixtures for tests of your own against a local cloud: ``pytest -p thing_operator_local.pytest_plugin``.

Or in your ``conftest.py``: ``pytest_plugins = ["thing_operator_local.pytest_plugin"]``. pytest itself is not among
the dependencies of thing-operator.
"""

import sys
from collections.abc import Callable, Iterator

import pytest

from thing_operator_local.cloud.broker import locate_broker
from thing_operator_local.cloud.client import CloudThing, LocalCloud
from thing_operator_local.cloud.control import CloudControl
from thing_operator_local.toolchain import LineReporter


@pytest.fixture(scope="session")
def local_cloud_seed() -> int | None:
    """Override it for secrets, ids and tokens that are the same in each run."""
    return None


@pytest.fixture(scope="session")
def local_cloud(
    tmp_path_factory: pytest.TempPathFactory, local_cloud_seed: int | None
) -> Iterator[LocalCloud]:
    """One running cloud for the whole test run; the first ever builds its broker, which takes half a minute."""
    reporter = LineReporter(lambda line: print(line, file=sys.stderr))
    locate_broker(reporter)
    folder = tmp_path_factory.mktemp("local-cloud")
    with LocalCloud(folder, reporter=reporter, seed=local_cloud_seed) as cloud:
        yield cloud


@pytest.fixture
def local_things(local_cloud: LocalCloud) -> Callable[[int], list[CloudThing]]:
    """``local_things(3)`` makes three fresh things, by name; each has its certificate and key as PEM."""

    def make(count: int) -> list[CloudThing]:
        made = local_cloud.things(local_cloud.create_batch(count, key_type="ec"))
        return [made[name] for name in sorted(made)]

    return make


@pytest.fixture
def local_cloud_control(local_cloud: LocalCloud) -> Iterator[CloudControl]:
    """Trouble on demand; what a test made is over when it ends."""
    control = CloudControl(local_cloud.folder)
    yield control
    control.clear_faults()
    control.resume()
    control.refuse_connections(refuse=False)
    control.slow_tls(0)
