"""Watches in trouble of every kind: sessions live on, readiness and the log say it, and everything is caught up."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from tests.integration.apiserver.trouble import (
    QUICK,
    await_line,
    await_ready,
    await_reported,
    connections,
    readyz,
    start_things,
)
from tests.integration.batches import batch_spec
from tests.support.cloud import Things
from tests.support.meddling_proxy import MeddlingProxy
from tests.support.meddling_rules import HTML, error_line, status
from tests.support.operator import Workspace
from tests.support.polling import eventually

from thing_operator_local.cloud.client import CloudThing

PATIENCE = """
import datetime, thing_operator.app.probes as probes
probes._PATIENCE = datetime.timedelta(seconds=3)
"""
"""A watch that is broken for three seconds makes unready."""
KINDS = ("things", "thingbatches", "secrets")


@pytest.fixture
def followed(meddled: Workspace, things: Things) -> tuple[Workspace, CloudThing]:
    """An operator that runs a Thing and follows a ThingBatch that waits for its zip."""
    (thing,) = things(1)
    meddled.operator.prelude = QUICK + PATIENCE
    meddled.operator.start()
    start_things(meddled, thing)
    meddled.apply("ThingBatch", "b", batch_spec())
    meddled.wait_for("b", "Ready", "False", reason="SourceNotFound", kind="thingbatch")
    return meddled, thing


@contextmanager
def nothing_ends(workspace: Workspace) -> Iterator[None]:
    """No session and no process ends meanwhile, and afterwards all is well."""
    before = connections(workspace)
    assert before
    yield
    await_ready(workspace)
    workspace.operator.check_running()
    assert connections(workspace) == before


def catches_up(workspace: Workspace, thing: CloudThing, value: int) -> None:
    """A spec that is edited, a Secret that is touched and a ThingBatch that is edited get through."""
    workspace.patch(thing.name, {"desired": {"v": value}})
    workspace.wait_for(thing.name, "Ready")
    assert workspace.desired(thing)["v"] == value
    spec = {"source": {"secrets": [{"name": f"zip-{value}", "key": "batch.zip"}]}}
    workspace.apply("ThingBatch", "b", spec)
    found = workspace.wait_for("b", "Ready", "False", reason="SourceNotFound", kind="thingbatch")
    assert f"zip-{value}" in found["message"]


@pytest.mark.parametrize("kind", KINDS)
def test_an_error_of_any_code_in_any_watch_is_followed_by_a_list(
    followed: tuple[Workspace, CloudThing], proxy: MeddlingProxy, kind: str
) -> None:
    workspace, thing = followed
    with nothing_ends(workspace):
        for code in (500, 403, 410, 504):
            eventually(lambda: proxy.watches(f"/{kind}") == 1, f"a watch of {kind}")
            lists = proxy.count(f"/{kind}$", query="limit=")
            assert proxy.insert(f"/{kind}", error_line(code)) == 1
            proxy.await_request(f"/{kind}$", query="limit=", after=lists)
        catches_up(workspace, thing, 1)


@pytest.mark.parametrize(
    ("code", "body"),
    [
        (503, HTML),
        (500, status(500, "InternalError")),
        (403, status(403, "Forbidden", "the test cannot watch resource")),
        (401, status(401, "Unauthorized")),
        (200, HTML),
    ],
    ids=["503", "500", "403", "401", "HTML"],
)
def test_what_refuses_everything_for_a_while_ends_nothing(
    followed: tuple[Workspace, CloudThing], proxy: MeddlingProxy, code: int, body: bytes
) -> None:
    """Longer than it takes until it is unready; a report of the device meanwhile is kept."""
    workspace, thing = followed
    with nothing_ends(workspace):
        wrong = proxy.answer("", code, body)
        proxy.cut()
        workspace.cloud.update_shadow(thing, {"reported": {"n": 1}})
        names = [
            f"{kind} in {workspace.namespace}" for kind in ("thingWatch", "thingBatchWatch", "secretWatch")
        ]

        def all_named() -> bool:
            found, checks = readyz(workspace)
            return found == 503 and all("broken" in checks[name]["detail"] for name in names)

        eventually(all_named, "readiness names each watch")
        for kind in KINDS:
            line = f"{kind} in {workspace.namespace} cannot be watched"
            await_line(workspace, line)
            assert workspace.operator.log.read_text().count(line) <= 2, "one a minute"
        wrong.remove()
        await_reported(workspace, thing, {"n": 1})
        catches_up(workspace, thing, 2)
