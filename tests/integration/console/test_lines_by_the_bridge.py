"""A Thing's page beside an operator with a bridge: its lines have what the status does not."""

from pathlib import Path
from typing import Any

import pytest
from tests.integration.console.shown import enter
from tests.support.bridge import Caller, make_caller
from tests.support.cloud import Things
from tests.support.console import Console, running_console
from tests.support.controlplane import Kubectl
from tests.support.kubelet import node_with_pod, pod_with_bridge
from tests.support.operator import Workspace
from tests.support.ports import reserved_ports

from thing_operator_local.controlplane import ControlPlane

QUICK = """
from thing_operator.bridge import access, following
access._FRESH = access._STALE = 0.5
following._COMMENT_SECONDS = 0.5
following._CHECKED_SECONDS = 1.0
"""


@pytest.fixture
def bridged(idle_workspace: Workspace) -> Workspace:
    (port,) = reserved_ports(1)
    idle_workspace.operator.settings |= {"THING_OPERATOR_BRIDGE__PORT": str(port)}
    idle_workspace.operator.prelude = QUICK
    idle_workspace.operator.start()
    return idle_workspace


@pytest.fixture
def kubeconfig(control_plane: ControlPlane) -> Path:
    return control_plane.kubeconfig


def followed(page: Any, console: Console, namespace: str, name: str) -> None:
    """Open the page of a Thing."""
    enter(page, console)
    page.goto(f"{console.address}/things/{namespace}/{name}")


def caption(page: Any, text: str) -> None:
    page.locator(".chart figcaption").filter(has_text=text).first.wait_for()


def test_values_come_by_the_bridge_as_long_as_the_right_is_there(
    bridged: Workspace, things: Things, kubectl: Kubectl, kubeconfig: Path, page: Any
) -> None:
    [thing] = things(1)
    bridged.cloud.update_shadow(thing, {"reported": {"temperature": 1}})
    bridged.store_credentials(thing)
    # What is reported from now on is in no status for a day.
    bridged.apply_thing(thing, {"mirror": {"minInterval": "24h"}})
    bridged.wait_for(thing.name, "Ready")
    namespace, port = bridged.namespace, int(bridged.operator.settings["THING_OPERATOR_BRIDGE__PORT"])
    folder = bridged.operator.log.parent
    twin = Caller(port, make_caller(kubectl, namespace), namespace)
    here = (f"--namespace={namespace}", f"--operator-namespace={namespace}")
    with (
        node_with_pod(kubectl, namespace, pod_with_bridge(namespace, port), folder),
        running_console(kubeconfig, folder, *here) as console,
    ):
        followed(page, console, namespace, thing.name)
        page.get_by_text("lines by the bridge").wait_for()
        caption(page, "/temperature1")
        for value in (4.5, 5.5):
            assert twin.report(thing.name, {"temperature": value}).status == 200
            caption(page, f"/temperature{value}")
        assert page.locator(".values tbody tr td").nth(1).inner_text() == "1"
        bridged.kubectl("delete", "rolebinding", "twin")
        page.get_by_text("lines by status").wait_for()
        page.locator(".aside span[title^='Forbidden: ']").wait_for()
    log = (folder / "console.log").read_text(encoding="utf-8")
    assert "Traceback" not in log
    assert "eyJ" not in log


def test_without_a_bridge_lines_are_the_statuses(
    bridged: Workspace, things: Things, kubeconfig: Path, page: Any, tmp_path: Path
) -> None:
    [thing] = things(1)
    bridged.store_credentials(thing)
    bridged.apply_thing(thing, {"device": {"reported": {"temperature": 2}}})
    bridged.wait_for(thing.name, "Ready")
    here = (f"--namespace={bridged.namespace}", f"--operator-namespace={bridged.namespace}")
    for option, why in (("--no-bridge", "--no-bridge"), ("--service-account=twin", "there is no ready pod")):
        folder = tmp_path / option
        folder.mkdir()
        with running_console(kubeconfig, folder, *here, option) as console:
            followed(page, console, bridged.namespace, thing.name)
            page.locator(f".aside span[title*='{why}']").wait_for()
            page.get_by_text("lines by status").wait_for()
            caption(page, "/temperature2")
