"""Imports that the API server refuses for a while: said in the status, and nobody need touch anything afterwards."""

import pytest
from tests.integration.apiserver.trouble import QUICK
from tests.integration.batches import batch_spec, create_things
from tests.support.controlplane import Kubectl
from tests.support.meddling_proxy import MeddlingProxy
from tests.support.meddling_rules import status
from tests.support.operator import Workspace
from tests.support.refusals import set_quota, use_up

THINGS = 5


@pytest.fixture
def importing(meddled: Workspace) -> Workspace:
    """Its operator is still to be started, and has a zip to import."""
    meddled.store_zip(meddled.cloud.create_batch(THINGS, key_type="ec"))
    meddled.apply("ThingBatch", "b", batch_spec(**create_things({})))
    return meddled


def test_what_a_quota_refused_is_imported_once_there_is_room(importing: Workspace, kubectl: Kubectl) -> None:
    importing.operator.prelude = QUICK
    use_up(kubectl, importing.namespace, resource="secrets", room=2)
    importing.operator.start()
    found = importing.wait_for("b", "Ready", "False", reason="PartlyImported", kind="thingbatch")
    assert "exceeded quota: full" in found["message"]
    set_quota(kubectl, importing.namespace, "count/secrets", limit=100, used=3)
    importing.wait_for("b", "Ready", reason="Imported", kind="thingbatch")
    assert len(importing.list("things")) == THINGS


def test_single_errors_and_an_outage_are_said_and_outlived(
    importing: Workspace, proxy: MeddlingProxy
) -> None:
    broken = proxy.answer("/secrets$", 500, status(500, "InternalError"), times=1, method="POST")
    taken = proxy.answer("/secrets$", 409, status(409, "Conflict"), times=1, method="POST")
    importing.operator.start()
    importing.wait_for("b", "Ready", reason="Imported", kind="thingbatch")
    assert (broken.applied, taken.applied) == (1, 1)

    importing.store_zip(importing.cloud.create_batch(THINGS, key_type="ec"), name="more")
    outage = proxy.answer("/secrets$", 503, status(503, "ServiceUnavailable"), method="POST")
    sources = [{"name": name, "key": "batch.zip"} for name in ("zip", "more")]
    importing.apply("ThingBatch", "b", {"source": {"secrets": sources}} | create_things({}))
    found = importing.wait_for("b", "Ready", "False", reason="ApiServerUnavailable", kind="thingbatch")
    assert "503" in found["message"]
    outage.remove()
    importing.wait_for("b", "Ready", reason="Imported", kind="thingbatch")
    assert len(importing.list("things")) == 2 * THINGS
