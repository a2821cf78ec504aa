"""What a person writes as values, which pod has a bridge, and what its answers mean."""

from typing import Any

import pytest

from thing_operator.core.errors import ToolError
from thing_operator.core.resource import ObjectKey
from thing_operator.reporting.values import bridge_pod, documents_in, refusal_of, reported_of, version_in


@pytest.mark.parametrize(
    ("texts", "reported"),
    [
        (["t=4.5"], {"t": 4.5}),
        (["door=open", "n=1", "ok=true"], {"door": "open", "n": 1, "ok": True}),
        (["t=null"], {"t": None}),
        (["t="], {"t": ""}),
        (['t="4"'], {"t": "4"}),
        (["t=a=b"], {"t": "a=b"}),
        (['t={"a": [1]}'], {"t": {"a": [1]}}),
        (["a.b=1"], {"a.b": 1}),
        (["/a/b=1", "/a/c=2"], {"a": {"b": 1, "c": 2}}),
        (["/a~1b=1"], {"a/b": 1}),
        (["t=NaN"], {"t": "NaN"}),
    ],
)
def test_values_are_json_or_else_text(texts: list[str], reported: Any) -> None:
    assert reported_of(texts) == reported


@pytest.mark.parametrize("text", ["t", "=1", ""])
def test_what_is_no_value_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(ToolError, match=r"temperature=4\.5"):
        reported_of([text])


def pod(name: str, *, port: str = "bridge", ready: str = "True", **metadata: str) -> dict[str, Any]:
    return {
        "metadata": {"namespace": "ops", "name": name, **metadata},
        "spec": {"containers": [{}, {"ports": [{"name": port, "containerPort": 8090}]}]},
        "status": {"conditions": [{"type": "Ready", "status": ready}]},
    }


def test_a_ready_pod_with_a_bridge_is_taken() -> None:
    assert bridge_pod([]) is None
    ending = pod("a", deletionTimestamp="2026-01-01T00:00:00Z")
    others = [pod("b", port="metrics"), pod("c", ready="False"), ending, {**pod("d"), "status": {}}]
    assert bridge_pod(others) is None
    assert bridge_pod([*others, pod("e")]) == (ObjectKey("ops", "e"), 8090)


def test_what_the_bridge_answers() -> None:
    assert version_in(200, b'{"version": 7}') == 7
    with pytest.raises(ToolError, match="Suspended: it is: resume it"):
        version_in(503, b'{"reason": "Suspended", "message": "it is", "remedy": "resume it"}')
    for body in (b"", b"<html>", b"[]", b"{}"):
        with pytest.raises(ToolError, match="no bridge"):
            version_in(200, body)
    assert refusal_of(403, b"{}") == "what answers at the pod's port is no bridge (403)"


def test_documents_are_found_among_events() -> None:
    stream = (
        b'retry: 2000\n\nid: 3\nevent: document\ndata: {"version": 3, "reported": {"t": 1}}\n\n:\n\n'
        b'event: delta\ndata: {"version": 4}\n\nevent: document\r\ndata: {"reported": {}}\r\n\r\n'
    )
    found = list(documents_in(stream.splitlines(keepends=True)))
    assert found == [{"version": 3, "reported": {"t": 1}}, {"reported": {}}]


@pytest.mark.parametrize("data", [b"{", b"[]", b"{}", b'{"reported": 1}', b""])
def test_an_event_without_a_document_is_refused(data: bytes) -> None:
    with pytest.raises(ToolError, match="no bridge"):
        list(documents_in([b"event: document\n", b"data: " + data + b"\n"]))
