"""The OpenAPI document says what the bridge takes."""

import json
import re

from thing_operator.bridge.openapi import document, openapi
from thing_operator.bridge.routes import METHODS, BridgeOperation, route_of


def test_every_operation_is_in_it_under_a_path_that_is_served() -> None:
    found = {}
    for path, item in document()["paths"].items():
        concrete = path.replace("{namespace}", "cold").replace("{name}", "freezer-1").replace("{job}", "j")
        for method in item.keys() - {"parameters"}:
            route = route_of(method.upper(), concrete)
            found[route.operation if route else BridgeOperation.OPENAPI] = method.upper()
    assert found == METHODS


def test_every_model_that_is_named_is_there() -> None:
    body = json.loads(openapi())
    assert body == document()
    named = set(re.findall(r"#/components/schemas/(\w+)", openapi().decode()))
    assert named <= body["components"]["schemas"].keys()
    assert body["components"]["schemas"]["Report"]["required"] == ["reported"]
