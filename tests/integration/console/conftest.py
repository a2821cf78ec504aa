"""A console of a namespace at a real API server, and a page of it. No operator runs: its statuses are written here."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from tests.integration.console.shown import Shown
from tests.support.console import Console, chromium, running_console
from tests.support.controlplane import Kubectl

from thing_operator_local.controlplane import ControlPlane


@pytest.fixture
def cluster(kubectl: Kubectl, namespace: str) -> Shown:
    return Shown(kubectl, namespace)


@pytest.fixture
def console(control_plane: ControlPlane, namespace: str, tmp_path: Path) -> Iterator[Console]:
    with running_console(control_plane.kubeconfig, tmp_path, f"--namespace={namespace}") as running:
        yield running


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """One Chromium for a module, whose tests are not asynchronous: its driver has a loop that runs."""
    with chromium() as running:
        yield running


@pytest.fixture
def page(browser: Any) -> Iterator[Any]:
    """A page in a browser that knows nothing. Whatever it asks another host for, or complains of, fails the test."""
    context = browser.new_context(viewport={"width": 1300, "height": 850})
    found = context.new_page()
    faults: list[str] = []
    found.on("request", lambda request: _check_host(request.url, faults))
    found.on("pageerror", lambda error: faults.append(str(error)))
    found.on("console", lambda message: faults.append(message.text) if _is_fault(message) else None)
    yield found
    context.close()
    assert not faults


def _check_host(url: str, faults: list[str]) -> None:
    if urlsplit(url).hostname != "127.0.0.1":
        faults.append(f"asked for {url}")


def _is_fault(message: Any) -> bool:
    """What the browser says itself of a server that is not there for a moment is none."""
    return message.type in {"error", "warning"} and "net::ERR_" not in message.text
