"""AWS's REST data plane: answers, typed errors, whose certificate reaches what.

Source: docs/background/aws-iot-shadow.md#rest.
"""

import ssl
from contextlib import closing
from http.client import HTTPSConnection
from typing import Any
from urllib.parse import quote, urlsplit

import pytest
from tests.support.cloud import Things
from tests.support.devices import Device, service_identity
from tests.support.rest import Rest

from thing_operator_local.cloud.client import CloudThing, LocalCloud


@pytest.fixture
def rest(cloud: LocalCloud, thing: CloudThing) -> Rest:
    return Rest(cloud, thing)


def test_update_get_delete(rest: Rest, thing: CloudThing) -> None:
    path = f"/things/{thing.name}/shadow"
    status, error, answer = rest("POST", path, {"state": {"reported": {"a": 1}}, "clientToken": "t"})
    assert (status, error, answer["version"], answer["clientToken"]) == (200, None, 1, "t")
    assert answer["state"] == {"reported": {"a": 1}}
    status, error, answer = rest("GET", path)
    assert (status, answer["state"], answer["version"]) == (200, {"reported": {"a": 1}}, 1)
    status, error, answer = rest("DELETE", path)
    assert (status, answer["version"]) == (200, 1)
    assert set(answer) == {"version", "timestamp"}
    assert rest("GET", path)[0] == 404


@pytest.mark.parametrize(
    ("method", "body", "status", "error", "message"),
    [
        pytest.param("GET", None, 404, "ResourceNotFoundException", "No shadow exists with name", id="404"),
        pytest.param("DELETE", None, 404, "ResourceNotFoundException", "No shadow exists", id="404 delete"),
        pytest.param("POST", b"{", 400, "InvalidRequestException", "Invalid JSON", id="unparsable"),
        pytest.param(
            "POST", {}, 400, "InvalidRequestException", "Missing required node: state", id="no state"
        ),
        pytest.param(
            "POST",
            {"state": {"delta": {}}},
            400,
            "InvalidRequestException",
            "invalid node: 'delta'",
            id="an invalid node",
        ),
        pytest.param(
            "POST",
            b'{"state":{},"x":"\xff"}',
            415,
            "UnsupportedDocumentEncodingException",
            "UTF-8",
            id="415",
        ),
        pytest.param(
            "POST",
            {"state": {"desired": {"a": "x" * 9000}}},
            413,
            "RequestEntityTooLargeException",
            "exceeds the maximum size",
            id="413",
        ),
        pytest.param("PUT", {}, 405, "MethodNotAllowedException", "", id="405"),
    ],
)
def test_errors_are_typed_and_go_to_the_caller_only(
    *,
    cloud: LocalCloud,
    rest: Rest,
    thing: CloudThing,
    method: str,
    body: Any,
    status: int,
    error: str,
    message: str,
) -> None:
    with Device(cloud.info, thing) as device:
        device.subscribe_all()
        found = rest(method, f"/things/{thing.name}/shadow", body)
        assert found[:2] == (status, error)
        assert message in found[2]["message"]
        device.expect_nothing_before("get")


def test_version_conflict(rest: Rest, thing: CloudThing) -> None:
    path = f"/things/{thing.name}/shadow"
    rest("POST", path, {"state": {}})
    assert rest("POST", path, {"state": {}, "version": 0})[:2] == (409, "ConflictException")
    assert rest("POST", path, {"state": {}, "version": 1})[0] == 200


def test_named_shadows_are_documents_of_their_own(cloud: LocalCloud, rest: Rest, thing: CloudThing) -> None:
    path = f"/things/{thing.name}/shadow"
    with Device(cloud.info, thing) as device:
        assert device.subscribe(f"$aws/things/{thing.name}/shadow/name/+/update/accepted") == [1]
        for name in ("b", "a", "c"):
            assert rest("POST", f"{path}?name={name}", {"state": {"desired": {"n": name}}})[0] == 200
        assert [device.next()[0] for _ in range(3)] == [f"name/{name}/update/accepted" for name in "bac"]
    assert rest("GET", path)[0] == 404
    assert rest("GET", f"{path}?name=b")[2]["state"]["desired"] == {"n": "b"}
    listing = f"/api/things/shadow/ListNamedShadowsForThing/{thing.name}"
    status, _, found = rest("GET", listing)
    assert (status, found["results"]) == (200, ["a", "b", "c"])
    assert "nextToken" not in found
    first = rest("GET", f"{listing}?pageSize=2")[2]
    assert first["results"] == ["a", "b"]
    assert rest("GET", f"{listing}?pageSize=2&nextToken={first['nextToken']}")[2]["results"] == ["c"]
    rest("DELETE", f"{path}?name=b")
    assert rest("GET", listing)[2]["results"] == ["a", "c"]


@pytest.mark.parametrize("query", ["?name=no%20good", f"?name={'x' * 65}"])
def test_illegal_shadow_name(rest: Rest, thing: CloudThing, query: str) -> None:
    assert rest("GET", f"/things/{thing.name}/shadow{query}")[:2] == (400, "InvalidRequestException")


@pytest.mark.parametrize("size", ["0", "101", "x"])
def test_illegal_page_size(rest: Rest, thing: CloudThing, size: str) -> None:
    path = f"/api/things/shadow/ListNamedShadowsForThing/{thing.name}?pageSize={size}"
    assert rest("GET", path)[:2] == (400, "InvalidRequestException")


def test_certificate_reaches_its_own_thing_only(cloud: LocalCloud, things: Things) -> None:
    one, other = things(2)
    rest = Rest(cloud, one)
    assert rest("GET", f"/things/{other.name}/shadow")[:2] == (403, "ForbiddenException")
    assert rest("GET", f"/things/{one.name}x/shadow")[0] == 403
    assert rest("GET", f"/things/{one.name}__child/shadow")[0] == 404
    listing = f"/api/things/shadow/ListNamedShadowsForThing/{other.name}"
    assert rest("GET", listing)[:2] == (403, "ForbiddenException")
    assert Rest(cloud, service_identity(cloud.info))("GET", f"/things/{other.name}/shadow")[0] == 404


def test_client_certificate_is_required(cloud: LocalCloud, thing: CloudThing) -> None:
    where = urlsplit(cloud.info.data_plane)
    bare = ssl.create_default_context(cafile=cloud.info.ca)
    connection = HTTPSConnection("localhost", where.port, timeout=10, context=bare)
    with closing(connection), pytest.raises(OSError, match=r"(?i)certificate|closed|reset"):
        _get(connection, f"/things/{thing.name}/shadow")


def _get(connection: HTTPSConnection, path: str) -> None:
    connection.request("GET", path)
    connection.getresponse()


@pytest.mark.parametrize(
    ("method", "path", "status", "error"),
    [
        ("GET", "/retainedMessage", 404, "ResourceNotFoundException"),
        ("DELETE", "/connections/x", 404, "ResourceNotFoundException"),
        ("POST", "/topics/", 404, "ResourceNotFoundException"),
        ("GET", "/topics/a", 405, "MethodNotAllowedException"),
    ],
)
def test_a_path_that_is_not_here_is_named(
    *, rest: Rest, method: str, path: str, status: int, error: str
) -> None:
    found = rest(method, path)
    assert found[:2] == (status, error)
    assert f"the local cloud has no {method} {path}: it has" in found[2]["message"]
    assert "POST /topics/{topic}" in found[2]["message"]


def test_every_answer_has_a_request_id_of_its_own(rest: Rest, thing: CloudThing) -> None:
    path = f"/things/{thing.name}/shadow"
    rest("POST", path, {"state": {}})
    rest("GET", path)
    traces = [
        rest("GET", "/elsewhere")[2]["traceId"],
        rest("POST", path, b"{")[2]["traceId"],
        rest("GET", "/things/other/shadow")[2]["traceId"],
    ]
    assert rest.request_ids[2:] == traces
    assert len(set(rest.request_ids)) == 5


# --- messages


@pytest.mark.parametrize("escaped", [False, True])
def test_a_message_to_a_topic_reaches_subscribers_and_services(
    *, cloud: LocalCloud, rest: Rest, thing: CloudThing, escaped: bool
) -> None:
    topic = f"$aws/things/{thing.name}/shadow/update"
    path = quote(topic, safe="") if escaped else topic
    with Device(cloud.info, thing) as device:
        assert device.subscribe(topic, f"{topic}/accepted") == [1, 1]
        status, error, answer = rest("POST", f"/topics/{path}?qos=1", {"state": {"reported": {"a": 1}}})
        assert (status, error) == (200, None)
        assert answer == {"message": "OK", "traceId": rest.request_ids[-1]}
        assert device.next() == ("update", {"state": {"reported": {"a": 1}}})
        assert device.next()[0] == "update/accepted"
    assert rest("GET", f"/things/{thing.name}/shadow")[2]["state"] == {"reported": {"a": 1}}


def test_a_retained_message_is_there_for_who_comes_later(
    cloud: LocalCloud, rest: Rest, thing: CloudThing
) -> None:
    topic = f"tcxn/things/{thing.name}/shadow/backdate"
    assert rest("POST", f"/topics/{topic}?retain=true", {"kept": 1})[0] == 200
    with Device(cloud.info, thing) as device:
        assert device.subscribe(topic) == [1]
        assert device.next() == ("backdate", {"kept": 1})
    assert rest("POST", f"/topics/{topic}?retain=true", b"")[0] == 200
    with Device(cloud.info, thing) as device:
        device.subscribe_all()
        assert device.subscribe(topic) == [1]
        device.expect_nothing_before("get")


@pytest.mark.parametrize(
    ("path", "body", "status", "error"),
    [
        ("$aws/things/other/shadow/update", b"{}", 403, "ForbiddenException"),
        ("any/topic", b"{}", 403, "ForbiddenException"),
        ("$aws/things/{name}/shadow/%23", b"{}", 400, "InvalidRequestException"),
        ("$aws/things/{name}/shadow/a/b/c/d/e", b"{}", 400, "InvalidRequestException"),
        ("$aws/things/{name}/shadow/update?retain=true", b"{}", 400, "InvalidRequestException"),
        ("$aws/things/{name}/shadow/update?qos=2", b"{}", 400, "InvalidRequestException"),
        ("$aws/things/{name}/shadow/update?retain=yes", b"{}", 400, "InvalidRequestException"),
        ("$aws/things/{name}/shadow/update", b"x" * 131_073, 413, "RequestEntityTooLargeException"),
        ("$aws/things/{name}/shadow/update", b"x" * 300_000, 413, "RequestEntityTooLargeException"),
    ],
)
def test_a_message_that_would_close_a_connection_is_refused(
    *, rest: Rest, thing: CloudThing, path: str, body: bytes, status: int, error: str
) -> None:
    assert rest("POST", f"/topics/{path.format(name=thing.name)}", body)[:2] == (status, error)
