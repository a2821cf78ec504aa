"""Which request asks for what; whatever is not one of ours is refused before anybody is asked."""

import pytest

from thing_operator.bridge.problems import BridgeError
from thing_operator.bridge.routes import BridgeOperation, Route, route_of
from thing_operator.core.resource import ObjectKey

THING = "/v1/namespaces/cold/things/freezer-1"
KEY = ObjectKey("cold", "freezer-1")


@pytest.mark.parametrize(
    ("method", "path", "operation"),
    [
        ("GET", "shadow", BridgeOperation.SHADOW),
        ("POST", "reported", BridgeOperation.REPORT),
        ("GET", "events", BridgeOperation.EVENTS),
    ],
)
def test_operations_of_a_thing(method: str, path: str, operation: BridgeOperation) -> None:
    assert route_of(method, f"{THING}/{path}") == Route(operation, KEY)


def test_a_job_is_named_by_its_id() -> None:
    assert route_of("POST", f"{THING}/jobs/fw-1_2") == Route(BridgeOperation.JOB, KEY, "fw-1_2")
    for wrong in ("jobs", "jobs/", "jobs/a/b", "jobs/$next", f"jobs/{'a' * 65}"):
        with pytest.raises(BridgeError) as caught:
            route_of("POST", f"{THING}/{wrong}")
        assert caught.value.problem.status == 404


def test_a_name_may_have_dots_and_253_characters() -> None:
    name = ".".join(["a" * 62] * 4)
    found = route_of("GET", f"/v1/namespaces/cold/things/{name}/shadow")
    assert found == Route(BridgeOperation.SHADOW, ObjectKey("cold", name))


def test_the_openapi_document_is_of_no_thing() -> None:
    assert route_of("GET", "/openapi.json") is None


@pytest.mark.parametrize(
    "path",
    [
        "",
        "/",
        "/v1",
        THING,
        f"{THING}/",
        f"{THING}/shadow/",
        f"{THING}//shadow",
        f"{THING}/shadow%2f",
        f"{THING}/desired",
        "/v1/namespaces/Cold/things/freezer-1/shadow",
        "/v1/namespaces/cold/things/../things/freezer-1/shadow",
        "/v1/namespaces/cold/things/-a/shadow",
        "/v1/namespaces/cold/things/a..b/shadow",
        f"/v1/namespaces/cold/things/{'.'.join(['a' * 63] * 4)}/shadow",
        "/v1/namespaces/cold/things/freezer%31/shadow",
        "/v1/namespaces/cold/things/freezer-1\n/shadow",
        f"{THING}/shadow\n",
        "/openapi.json/",
    ],
)
def test_there_is_nothing_else(path: str) -> None:
    with pytest.raises(BridgeError) as caught:
        route_of("GET", path)
    assert caught.value.problem.status == 404


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", f"{THING}/shadow"),
        ("GET", f"{THING}/reported"),
        ("PUT", f"{THING}/reported"),
        ("HEAD", f"{THING}/events"),
        ("POST", "/openapi.json"),
    ],
)
def test_another_method_is_refused_by_name(method: str, path: str) -> None:
    with pytest.raises(BridgeError) as caught:
        route_of(method, path)
    assert caught.value.problem.status == 405
    assert method in caught.value.problem.message
