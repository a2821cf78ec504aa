"""Fixtures for tests of your own against a local cloud, a local cluster and an operator.

pytest finds them where thing-operator is installed (entry point ``pytest11``), and builds what is missing before the
first test. pytest itself is not among the dependencies of thing-operator. Nothing is loaded, and nothing runs, until a
test asks for it: hence the imports inside.
"""

import sys
from contextlib import nullcontext
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from thing_operator_local.cloud.client import CloudThing, LocalCloud
    from thing_operator_local.cloud.control import CloudControl
    from thing_operator_local.controlplane import ControlPlane
    from thing_operator_local.operator import LocalOperator
    from thing_operator_local.toolchain import Reporter

# ruff: noqa: PLC0415 - see above


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop(session: pytest.Session) -> None:
    """Build what is missing while no test's timeout runs; the progress is seen."""
    fixtures = {name for item in session.items for name in getattr(item, "fixturenames", ())}
    if session.config.option.collectonly or not fixtures & {"local_cloud", "local_cluster"}:
        return
    from thing_operator_local.toolchain.programs import CONTROL_PLANE, locate_binaries, locate_broker

    capture = session.config.pluginmanager.getplugin("capturemanager")
    with capture.global_and_fixture_disabled() if capture is not None else nullcontext():
        if "local_cloud" in fixtures:
            locate_broker(_reporter())
        if "local_cluster" in fixtures:
            locate_binaries(CONTROL_PLANE, reporter=_reporter(), quick=True)


@pytest.fixture(scope="session")
def local_cloud_seed() -> int | None:
    """Override it for secrets, ids and tokens that are the same in each run."""
    return None


@pytest.fixture(scope="session")
def local_cloud(
    tmp_path_factory: pytest.TempPathFactory, local_cloud_seed: int | None
) -> "Iterator[LocalCloud]":
    """One running cloud for the whole test run."""
    from thing_operator_local.cloud.client import LocalCloud

    folder = tmp_path_factory.mktemp("local-cloud")
    with LocalCloud(folder, reporter=_reporter(), seed=local_cloud_seed) as cloud:
        yield cloud


@pytest.fixture
def local_things(local_cloud: "LocalCloud") -> "Callable[[int], list[CloudThing]]":
    """``local_things(3)`` makes three fresh things, by name; each has its certificate and key as PEM."""

    def make(count: int) -> "list[CloudThing]":
        made = local_cloud.things(local_cloud.create_batch(count, key_type="ec"))
        return [made[name] for name in sorted(made)]

    return make


@pytest.fixture
def local_cloud_control(local_cloud: "LocalCloud") -> "Iterator[CloudControl]":
    """Trouble on demand; what a test made is over when it ends."""
    from thing_operator_local.cloud.control import CloudControl

    control = CloudControl(local_cloud.folder)
    yield control
    control.clear_faults()
    control.resume()
    control.refuse_connections(refuse=False)
    control.slow_tls(0)


@pytest.fixture(scope="session")
def local_cluster(tmp_path_factory: pytest.TempPathFactory) -> "Iterator[ControlPlane]":
    """One running control plane for the whole test run, with the CRDs; ``local_cluster.kubectl`` is kubectl."""
    from thing_operator_local.controlplane import CONTROL_PLANE, ControlPlane, locate_binaries
    from thing_operator_local.operator import write_crds

    folder = tmp_path_factory.mktemp("local-cluster")
    crds = write_crds(folder / "crds")
    binaries = locate_binaries(CONTROL_PLANE, reporter=_reporter(), quick=True)
    with ControlPlane(folder, reporter=_reporter(), manifests=[crds], binaries=binaries) as plane:
        yield plane


@pytest.fixture(scope="session")
def local_operator(
    tmp_path_factory: pytest.TempPathFactory, local_cluster: "ControlPlane", local_cloud: "LocalCloud"
) -> "Iterator[LocalOperator]":
    """One operator for all namespaces of ``local_cluster``, with ``local_cloud`` as its broker, and with a bridge."""
    from thing_operator_local.operator import LocalOperator
    from thing_operator_local.ports import free_ports

    log = tmp_path_factory.mktemp("local-operator") / "operator.log"
    (port,) = free_ports(1)
    with LocalOperator(
        log, kubeconfig=local_cluster.kubeconfig, cloud=local_cloud.info, bridge_port=port
    ) as operator:
        yield operator


def _reporter() -> "Reporter":
    """Progress goes to the captured output, seen when a test fails."""
    from thing_operator_local.toolchain import LineReporter

    return LineReporter(lambda line: print(line, file=sys.stderr))
