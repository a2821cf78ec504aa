"""One request that the service cannot handle: others get their answers, and it does not count for ever."""

import json
from pathlib import Path

import pytest

from thing_operator_local.cloud.certificates import thing_authority
from thing_operator_local.cloud.observations import Observations
from thing_operator_local.cloud.registry import Registry
from thing_operator_local.cloud.shadow_service import (
    Publication,
    ShadowAnswer,
    ShadowOptions,
    ShadowRequest,
    ShadowService,
)
from thing_operator_local.cloud.shadows import IN_FLIGHT, Shadows
from thing_operator_local.cloud.store import Store

BROKEN = b'{"state":{},"clientToken":"broken"}'


class Breaking(ShadowService):
    """Breaks at one payload, as a mistake of ours would make it."""

    def handle(self, request: ShadowRequest) -> ShadowAnswer:
        if request.payload == BROKEN:
            raise RuntimeError("a mistake")
        return super().handle(request)


def test_a_request_that_breaks_the_service(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    store, observations = Store(tmp_path / "cloud.sqlite"), Observations(tmp_path / "observations.jsonl")
    published: list[Publication] = []
    shadows = Shadows(
        Breaking(lambda: 1_790_000_000.0, ShadowOptions(requests_per_second=None)),
        store=store,
        registry=Registry(store, thing_authority(tmp_path), clock_ms=lambda: 0),
        observations=observations,
        publish=published.extend,
        clock_ms=lambda: 0,
    )
    for _ in range(IN_FLIGHT + 1):
        shadows.handle_messages(
            [("$aws/things/a/shadow/update", BROKEN), ("$aws/things/b/shadow/get", b'{"clientToken":"b"}')]
        )
    assert [json.loads(each.payload)["code"] for each in published] == [404] * (IN_FLIGHT + 1)
    assert "a mistake" in caplog.text
    published.clear()
    shadows.handle_messages([("$aws/things/a/shadow/get", b"")])
    assert json.loads(published[0].payload)["code"] == 404, "not 429: nothing is in flight any more"
    observations.close()
    store.close()
