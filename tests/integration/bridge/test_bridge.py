"""The bridge end to end: a caller's token at the API server, a report at the shadow service, events as they come."""

import socket
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from dataclasses import replace

import pytest
from tests.support.bridge import Caller, make_caller
from tests.support.cloud import Things
from tests.support.controlplane import Kubectl
from tests.support.operator import Json, Workspace
from tests.support.polling import eventually
from tests.support.ports import reserved_ports

from thing_operator_local.cloud.client import CloudThing
from thing_operator_local.cloud.control import CloudControl
from thing_operator_local.ports import LOOPBACK

SHORT = """
from thing_operator.bridge import access, event_stream, following
access._FRESH = access._STALE = 0.5
event_stream.WRITE_SECONDS = 1.0
following._COMMENT_SECONDS = 0.5
following._CHECKED_SECONDS = 1.0
"""


@pytest.fixture
def bridged(idle_workspace: Workspace) -> Iterator[Workspace]:
    """A running operator with a bridge; its log has no token at the end."""
    operator = idle_workspace.operator
    (port,) = reserved_ports(1)
    operator.settings |= {"THING_OPERATOR_BRIDGE__PORT": str(port)}
    operator.prelude = SHORT
    operator.start()
    yield idle_workspace
    operator.stop()
    assert "eyJ" not in operator.log.read_text(errors="replace")


def port_of(workspace: Workspace) -> int:
    return int(workspace.operator.settings["THING_OPERATOR_BRIDGE__PORT"])


def caller_of(workspace: Workspace, kubectl: Kubectl, **how: object) -> Caller:
    """A service account of the workspace's namespace that may do everything, or what ``how`` says."""
    token = make_caller(kubectl, workspace.namespace, **how)  # type: ignore[arg-type]
    return Caller(port_of(workspace), token, workspace.namespace)


def apply_ready(workspace: Workspace, things: Things, spec: Json | None = None) -> CloudThing:
    [thing] = things(1)
    workspace.store_credentials(thing)
    workspace.apply_thing(thing, spec or {"desired": {"setpoint": -18}})
    workspace.wait_for(thing.name, "Ready")
    return thing


def test_a_twin_reads_reports_and_follows(bridged: Workspace, kubectl: Kubectl, things: Things) -> None:
    thing = apply_ready(bridged, things)
    twin = caller_of(bridged, kubectl)
    shadow = twin.shadow(thing.name)
    assert shadow.status == 200
    assert shadow.body["delta"] == {"setpoint": -18}
    with twin.events(thing.name) as events:
        first, left = next(events), next(events)
        assert (first[0], left[:2]) == (
            "document",
            ("delta", {"version": first[1]["version"], "delta": {"setpoint": -18}}),
        )
        report = twin.report(thing.name, {"setpoint": -18, "temperature": 4.5}, timestamp=1_700_000_000_000)
        assert report.status == 200, report.body
        assert report.body == {"version": first[1]["version"] + 1}
        document, done = next(events), next(events)
        assert document[1]["reported"] == {"setpoint": -18, "temperature": 4.5}
        assert done == (
            "delta",
            {"version": report.body["version"], "delta": {}},
            str(report.body["version"]),
        )
    assert bridged.reported(thing) == {"setpoint": -18, "temperature": 4.5}
    bridged.wait_for(thing.name, "InSync")
    mirrored = lambda: bridged.get(thing.name)["status"]["shadow"].get("reported", {}).get("temperature")  # noqa: E731
    assert eventually(mirrored, "the report in status") == 4.5
    with twin.events(thing.name, last_id=done[2]) as events:
        bridged.patch(thing.name, {"desired": {"setpoint": -20}})
        assert [next(events)[0], next(events)[0]] == ["document", "delta"]
    with twin.events(thing.name, kinds="delta", last_id="0") as events:
        assert [next(events)[0], next(events)[0]] == ["reset", "delta"]


def test_what_the_shadow_service_refuses_comes_back_in_its_words(
    bridged: Workspace, kubectl: Kubectl, things: Things
) -> None:
    thing = apply_ready(bridged, things, {"desired": {"a": "x" * 4000}})
    twin = caller_of(bridged, kubectl)
    assert twin.report(thing.name, {"b": "y" * 3000}).status == 200
    refused = twin.report(thing.name, {"c": "z" * 3000})
    assert (refused.status, refused.body["reason"]) == (422, "Rejected")
    assert "413" in refused.body["message"]
    assert "c" not in bridged.reported(thing)


def test_who_may_not_is_refused(bridged: Workspace, kubectl: Kubectl, things: Things) -> None:
    thing = apply_ready(bridged, things)
    namespace, port = bridged.namespace, port_of(bridged)
    reader = caller_of(bridged, kubectl, name="reader", verbs=("get",))
    other = f"{namespace}-b"
    kubectl("create", "namespace", other)
    stranger = Caller(port, make_caller(kubectl, other), namespace)
    of_another = caller_of(bridged, kubectl, name="of-another", things=("another",))
    api_token = caller_of(bridged, kubectl, name="for-the-api", audience=None)
    for caller, status in (
        (Caller(port, None, namespace), 401),
        (Caller(port, "a.b.c", namespace), 401),
        (api_token, 401),
        (stranger, 403),
        (of_another, 403),
    ):
        answers = [
            caller.shadow(thing.name),
            caller.report(thing.name, {"a": 1}),
            caller.ask("GET", f"{thing.name}/events"),
        ]
        assert [answer.status for answer in answers] == [status] * 3
        assert all(answer.body.keys() == {"reason", "message", "remedy"} for answer in answers)
    assert reader.shadow(thing.name).status == 200
    assert reader.report(thing.name, {"a": 1}).status == 403
    assert bridged.reported(thing) == {}
    # A name that is there, and one that is not, are the same to who may not ask.
    assert stranger.shadow("nothing").body["reason"] == stranger.shadow(thing.name).body["reason"]
    kubectl("delete", "namespace", other, "--wait=false")


def test_what_is_wrong_with_a_request_is_said(bridged: Workspace, kubectl: Kubectl, things: Things) -> None:
    thing = apply_ready(bridged, things)
    twin = caller_of(bridged, kubectl)
    path = f"{thing.name}/reported"
    nine_kib = b'{"reported": {"a": "' + b"x" * 9 * 1024 + b'"}}'
    found = {
        "large": twin.ask("POST", path, nine_kib),
        "no JSON": twin.ask("POST", path, b"{"),
        "form": twin.ask("POST", path, b"a=1", headers={"Content-Type": "text/plain"}),
        "compressed": twin.ask("POST", path, b"{}", headers={"Content-Encoding": "gzip"}),
        "nothing": twin.shadow("nothing"),
        "no path": twin.ask("GET", f"{thing.name}/desired"),
        "method": twin.ask("PUT", path, {"reported": {}}),
        "id": twin.ask("GET", f"{thing.name}/events", headers={"Last-Event-ID": "x"}),
    }
    expected = [413, 400, 415, 415, 404, 404, 405, 400]
    assert [answer.status for answer in found.values()] == expected
    with socket.create_connection((LOOPBACK, twin.port), timeout=30) as broken:
        # A token with what a file may end with. The fixture looks for tokens in the log.
        broken.sendall(f"GET / HTTP/1.1\r\nAuthorization: Bearer {twin.token}\x1a\r\n\r\n".encode())
        assert broken.recv(12) == b"HTTP/1.0 400"
    assert "Traceback" not in bridged.operator.log.read_text()
    bridged.patch(thing.name, {"suspend": True})
    bridged.wait_for(thing.name, "Connected", "False")
    away = twin.report(thing.name, {"a": 1})
    assert (away.status, away.body["reason"]) == (503, "Suspended")
    assert int(away.headers["Retry-After"]) >= 1
    assert bridged.reported(thing) == {}


def test_a_right_that_is_taken_away_ends_streams_and_reports(
    bridged: Workspace, kubectl: Kubectl, things: Things
) -> None:
    thing = apply_ready(bridged, things)
    twin = caller_of(bridged, kubectl)
    with twin.events(thing.name) as events:
        assert next(events)[0] == "document"
        bridged.kubectl("delete", "rolebinding", "twin")
        eventually(lambda: twin.report(thing.name, {"a": 1}).status == 403, "refused")
        assert [kind for kind, _, _ in events if kind == "reset"] == []
    assert twin.ask("GET", f"{thing.name}/events").status == 403


def test_a_stream_ends_with_its_thing(bridged: Workspace, kubectl: Kubectl, things: Things) -> None:
    thing = apply_ready(bridged, things)
    twin = caller_of(bridged, kubectl)
    with twin.events(thing.name) as events:
        assert next(events)[0] == "document"
        bridged.kubectl("delete", "thing", thing.name)
        list(events)
    assert twin.shadow(thing.name).status == 404


def test_a_reader_that_does_not_read_is_left(bridged: Workspace, kubectl: Kubectl, things: Things) -> None:
    thing = apply_ready(bridged, things)
    twin = caller_of(bridged, kubectl)
    with closing(twin.open_unread(thing.name)):
        for number in range(400):
            twin.report(thing.name, {"text": str(number) * (3000 // len(str(number)))})
            if bridged.operator.scrape().get(("bridge_streams_dropped_total",), 0):
                break
        eventually(
            lambda: bridged.operator.scrape()["bridge_streams_dropped_total",] == 1, "dropped", timeout=30
        )
    eventually(lambda: bridged.operator.scrape()["bridge_streams",] == 0, "no stream is left")
    assert twin.shadow(thing.name).status == 200


def test_a_flood_leaves_others_their_turn(bridged: Workspace, kubectl: Kubectl, things: Things) -> None:
    """Hundreds of requests with bad tokens, and of one caller, while another one reports for another Thing."""
    thing, quiet = apply_ready(bridged, things), apply_ready(bridged, things)
    twin = caller_of(bridged, kubectl)
    flooding = caller_of(bridged, kubectl, name="flooding")
    connects = bridged.operator.connects()
    bad = replace(flooding, token="a.b.c")
    with ThreadPoolExecutor(6) as threads:
        floods = [
            threads.submit(each.flood, thing.name, count)
            for each, count in (*[(flooding, 400)] * 4, *[(bad, 100)] * 2)
        ]
        for number in range(10):
            assert twin.report(quiet.name, {"n": number}).status == 200
        found = Counter(status for flood in floods for status in flood.result())
    assert set(found) == {200, 401, 429}
    assert found[429] > 10
    assert found[401] > 100
    assert bridged.reported(quiet) == {"n": 9}
    assert bridged.operator.connects() == connects
    assert twin.shadow(thing.name).status == 200


def test_connections_that_ask_nothing_make_room(bridged: Workspace, kubectl: Kubectl, things: Things) -> None:
    thing = apply_ready(bridged, things)
    twin = caller_of(bridged, kubectl)
    most = 1000 + 512
    with ExitStack() as there, twin.events(thing.name) as events:
        assert next(events)[0] == "document"
        idle = [
            there.enter_context(socket.create_connection((LOOPBACK, twin.port), timeout=30))
            for _ in range(most + 50)
        ]
        assert twin.shadow(thing.name).status == 200
        # The oldest are closed by the other side, and the stream is not.
        assert [each.recv(1) for each in idle[:50]] == [b""] * 50
        assert twin.report(thing.name, {"a": 1}).status == 200
        assert next(kind for kind, data, _ in events if data.get("reported") == {"a": 1}) == "document"


def test_a_namespace_with_many_connections_leaves_others_theirs(
    bridged: Workspace, kubectl: Kubectl, things: Things
) -> None:
    operator, most = bridged.operator, 1 + 512
    operator.stop()
    operator.settings |= {
        "THING_OPERATOR_BRIDGE__STREAMS": "1",
        "THING_OPERATOR_BRIDGE__CALLER_REQUESTS_PER_SECOND": "5000",
        "THING_OPERATOR_BRIDGE__REQUESTS_PER_SECOND": "5000",
    }
    operator.start()
    thing = apply_ready(bridged, things)
    twin = caller_of(bridged, kubectl)
    other = caller_of(bridged, kubectl, name="other", home="default")
    with ExitStack() as there:
        assert {there.enter_context(twin.kept_open(thing.name)) for _ in range(most)} == {200}
        assert other.shadow(thing.name).status == 200


def test_a_twin_does_the_jobs_of_its_thing(
    bridged: Workspace, kubectl: Kubectl, things: Things, control: CloudControl
) -> None:
    thing = apply_ready(bridged, things, {"device": {"jobs": "Bridge"}})
    twin = caller_of(bridged, kubectl)
    job = f"fw-{thing.name}"

    def say(status: str, **more: object) -> int:
        return twin.ask("POST", f"{thing.name}/jobs/{job}", {"status": status, **more}).status

    with twin.events(thing.name, kinds="job") as events:
        control.create_job(job, {"url": "https://example.com/fw"}, things=[thing.name])
        kind, data, _ = next(events)
        assert (kind, data["job"]["id"], data["job"]["status"]) == ("job", job, "QUEUED")
        assert data["job"]["document"] == {"url": "https://example.com/fw"}
        assert say("IN_PROGRESS", details={"step": "1"}) == 200
        started = next(data["job"] for _, data, _ in events if data["job"]["status"] == "IN_PROGRESS")
        assert started["details"] == {"step": "1"}
        assert say("SUCCEEDED") == 200
        assert next(data["job"] for _, data, _ in events if data["job"] is None) is None
    [execution] = control.job(job)["executions"]
    assert execution["status"] == "SUCCEEDED"
    assert say("FAILED") == 409
    bridged.patch(thing.name, {"device": {"jobs": "Ignore"}})
    bridged.wait_for(thing.name, "Ready")
    eventually(lambda: say("SUCCEEDED") == 409, "jobs are not the program's any more")
