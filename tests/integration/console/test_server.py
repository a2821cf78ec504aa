"""The console's server as any program of this machine may ask it."""

import json
import re
from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from tests.integration.console.shown import Shown
from tests.support.console import Console, running_console
from tests.support.console_cluster import scripted_cluster
from tests.support.controlplane import Kubectl
from tests.support.polling import eventually
from typer.testing import CliRunner

from thing_operator.cli.main import app
from thing_operator.console.gate import HEADERS
from thing_operator_local.controlplane import ControlPlane


class Asker:
    """Asks a console, with the cookie that its link has given or without."""

    def __init__(self, console: Console) -> None:
        self._where = urlsplit(console.link)
        status, headers, _ = self.ask(f"/?{self._where.query}", cookie=None)
        assert status == 200
        self.cookie = headers["Set-Cookie"].partition(";")[0]
        self.attributes = headers["Set-Cookie"].partition(";")[2]

    def ask(
        self, path: str, *, method: str = "GET", cookie: str | None = "own", **headers: str
    ) -> tuple[int, dict[str, str], str]:
        connection = HTTPConnection(self._where.hostname or "", self._where.port, timeout=30)
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        if cookie is not None:
            given["Cookie"] = self.cookie if cookie == "own" else cookie
        try:
            connection.request(method, path, headers=given)
            answer = connection.getresponse()
            # Of a stream, the first line.
            is_stream = answer.headers["Content-Type"] == "text/event-stream"
            text = (answer.readline() if is_stream else answer.read()).decode()
            return answer.status, dict(answer.headers), text
        finally:
            connection.close()


@pytest.fixture(scope="module")
def console(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Console]:
    """One for all: nothing that is asked of it changes it."""
    folder = tmp_path_factory.mktemp("console")
    with scripted_cluster(folder) as cluster, running_console(cluster.kubeconfig, folder) as running:
        yield running


@pytest.fixture(scope="module")
def asker(console: Console) -> Asker:
    return Asker(console)


PATHS = ("/", "/batches", "/things/a/b", "/assets/app.js", "/api/fleet", "/api/things/a/b", "/nowhere")


@pytest.mark.parametrize("path", PATHS)
def test_nothing_is_served_without_the_cookie(asker: Asker, path: str) -> None:
    for cookie in (None, asker.cookie.replace("=", "=x"), "other=1"):
        status, _, text = asker.ask(path, cookie=cookie)
        assert (status, "open the link" in text) == (403, True)
    assert asker.ask(f"{path}?token=wrong", cookie=None)[0] == 403
    assert asker.ask(path)[0] == (404 if path == "/nowhere" else 200)


def test_other_names_origins_and_pages_are_refused(asker: Asker) -> None:
    for headers in (
        {"Host": "rebound.example"},
        {"Origin": "http://rebound.example"},
        {"Sec_Fetch_Site": "cross-site"},
    ):
        assert asker.ask("/api/fleet", **headers)[0] == 403
    assert asker.ask("/", Host="rebound.example")[0] == 403


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_no_route_writes(asker: Asker, method: str) -> None:
    assert {asker.ask(path, method=method)[0] for path in PATHS} <= {404, 405}


def test_every_answer_is_hardened(asker: Asker) -> None:
    assert {each.strip() for each in asker.attributes.split(";")} == {"HttpOnly", "Path=/", "SameSite=Strict"}
    for path in PATHS:
        _, headers, _ = asker.ask(path)
        assert HEADERS.items() <= headers.items(), path


@pytest.mark.parametrize(
    "path", ["/api/things/..%2f..%2f/a", "/api/things/a/b,metadata.name=c", "/api/things/A/b"]
)
def test_what_is_no_name_is_asked_of_nobody(asker: Asker, path: str) -> None:
    assert asker.ask(path)[0] == 404


def test_a_port_that_is_taken_is_named(console: Console) -> None:
    port = urlsplit(console.link).port
    done = CliRunner().invoke(app, ["console", "--no-browser", "-A", f"--port={port}"])
    assert f"--port {port}: 127.0.0.1 cannot be listened on there" in str(done.exception)


def test_it_sees_what_the_kubeconfig_may_see_and_says_what_it_may_not(
    control_plane: ControlPlane, kubectl: Kubectl, cluster: Shown, tmp_path: Path
) -> None:
    here = f"--namespace={cluster.namespace}"
    kubectl("create", "serviceaccount", "viewer", here)
    kubectl("create", "role", "view", "--verb=get,list,watch", "--resource=things.thing-operator.io", here)
    account = f"--serviceaccount={cluster.namespace}:viewer"
    kubectl("create", "rolebinding", "viewer", "--role=view", account, here)
    file = tmp_path / "viewer"
    control_plane.service_account_kubeconfig(file, namespace=cluster.namespace, name="viewer")
    with running_console(file, tmp_path, here) as console:
        states = eventually(lambda: _states(console), "it knows what it may not see")
        assert states["things"]["state"] == "Live"
        assert "have its Role or ClusterRole extended" in states["groups"]["trouble"]


def _states(console: Console) -> dict[str, dict[str, str]] | None:
    """How the console's watches are, once none of them is loading."""
    where = urlsplit(console.link)
    asker = Asker(console)
    connection = HTTPConnection(where.hostname or "", where.port, timeout=30)
    connection.request("GET", "/api/fleet", headers={"Cookie": asker.cookie})
    answer = connection.getresponse()
    try:
        while not answer.readline().startswith(b"event: sources"):
            pass
        found = re.sub("^data: ", "", answer.readline().decode())
    finally:
        connection.close()
    states = {each["topic"]: each for each in json.loads(found)}
    return states if states and all(each["state"] != "Loading" for each in states.values()) else None
