"""What stands in the way of a Thing or a ThingBatch ends by itself: nobody touches anything, nothing restarts."""

import io
import zipfile
from datetime import UTC, datetime, timedelta

import pytest
from tests.integration.apiserver.trouble import (
    QUICK,
    await_line,
    await_ready,
    await_reported,
    connections,
    start_things,
)
from tests.integration.batches import batch_spec
from tests.support.cloud import Things
from tests.support.controlplane import Kubectl
from tests.support.meddling_proxy import MeddlingProxy
from tests.support.operator import Workspace
from tests.support.pki import ec_key, key_pem, make_certificate
from tests.support.refusals import policy_on_statuses, policy_on_things

from thing_operator_local.cloud.client import CloudThing

SOON = timedelta(seconds=6)


def ahead(thing: CloudThing) -> CloudThing:
    """The thing with a certificate that becomes valid in a moment, and that no cloud has made."""
    key = ec_key()
    return CloudThing(thing.name, make_certificate(key, not_before=datetime.now(UTC) + SOON), key_pem(key))


def test_a_certificate_becomes_valid_at_the_moment_that_is_named(meddled: Workspace, things: Things) -> None:
    fresh, running = things(2)
    meddled.operator.start()
    start_things(meddled, running)
    before = connections(meddled)
    meddled.apply_thing(fresh)
    for thing in (fresh, running):
        meddled.store_credentials(ahead(thing))
        found = meddled.wait_for(thing.name, "CredentialsValid", "False", reason="NotYetValid")
        assert "not valid before" in found["message"]
    for thing in (fresh, running):
        meddled.wait_for(thing.name, "CredentialsValid")
    # It is used: the cloud does not know it.
    meddled.wait_for(fresh.name, "Connected", "False", reason="NotAuthorized")
    assert connections(meddled) >= before
    meddled.store_credentials(running)
    meddled.wait_for(running.name, "Ready")


def test_a_zip_with_a_certificate_of_tomorrow_is_imported_in_the_end(meddled: Workspace) -> None:
    meddled.operator.start()
    await_ready(meddled)
    data = io.BytesIO(meddled.cloud.create_batch(2, key_type="ec"))
    late = ahead(CloudThing("00000099", b"", b""))
    with zipfile.ZipFile(data, "a") as archive:
        archive.writestr(f"{late.name}/cert.pem", late.certificate_pem)
        archive.writestr(f"{late.name}/privkey.pem", late.private_key_pem)
    meddled.store_zip(data.getvalue())
    meddled.apply("ThingBatch", "b", batch_spec())
    found = meddled.wait_for("b", "Ready", "False", reason="PartlyImported", kind="thingbatch")
    assert "2 of 3 things imported" in found["message"]
    meddled.wait_for("b", "Ready", reason="Imported", kind="thingbatch")


def test_a_suspended_thing_holds_nothing(meddled: Workspace, things: Things) -> None:
    (thing,) = things(1)
    meddled.operator.start()
    start_things(meddled, thing)
    meddled.apply_thing(thing, name="another")
    meddled.wait_for("another", "Stalled", reason="DuplicateThing")
    meddled.patch(thing.name, {"suspend": True})
    meddled.wait_for("another", "Ready")


def test_what_was_too_large_is_sent_once_there_is_room(meddled: Workspace, things: Things) -> None:
    wanting, reporting = made = things(2)
    meddled.operator.start()
    start_things(meddled, *made)
    more = {"more": "y" * 600}
    for thing in made:
        meddled.cloud.update_shadow(thing, {"reported": {"big": "x" * 3900, "bigger": "x" * 3900}})
    for thing, spec in ((wanting, {"desired": more}), (reporting, {"device": {"reported": more}})):
        meddled.patch(thing.name, spec)
        assert "413" in meddled.wait_for(thing.name, "Stalled", reason="Rejected")["message"]
    for thing in made:
        meddled.cloud.update_shadow(thing, {"reported": {"big": None}})
        meddled.wait_for(thing.name, "Ready")
    assert meddled.desired(wanting) == more
    assert meddled.reported(reporting)["more"] == more["more"]


@pytest.mark.parametrize("reason", ["Invalid", "Forbidden"])
def test_statuses_that_a_policy_refused_are_written_when_it_is_lifted(
    meddled: Workspace, proxy: MeddlingProxy, kubectl: Kubectl, things: Things, reason: str
) -> None:
    edited, reporting, fresh = made = things(3)
    meddled.operator.prelude = QUICK
    meddled.operator.start()
    start_things(meddled, edited, reporting, desired={"v": 1})
    before = connections(meddled)
    words = "only the platform team may change Things"
    refused = policy_on_statuses(kubectl, meddled.namespace, reason=reason, says=words, thing=edited.name)
    written = {each.name: proxy.count(f"/{each.name}/status$", method="PATCH") for each in made}
    with refused:
        meddled.patch(edited.name, {"desired": {"v": 2}})
        meddled.cloud.update_shadow(reporting, {"reported": {"n": 1}})
        meddled.store_credentials(fresh)
        meddled.apply_thing(fresh, {"desired": {"v": 1}})
        for thing in (edited, reporting, fresh):
            proxy.await_request(f"/{thing.name}/status$", method="PATCH", after=written[thing.name])
        await_line(meddled, words)
    for thing in (edited, fresh):
        meddled.wait_for(thing.name, "Ready")
    await_reported(meddled, reporting, {"n": 1})
    assert connections(meddled) > before


@pytest.mark.parametrize("reason", ["Invalid", "Forbidden"])
def test_a_finalizer_that_a_policy_refused_is_put_on_when_it_is_lifted(
    meddled: Workspace, kubectl: Kubectl, things: Things, reason: str
) -> None:
    """Invalid is what a policy answers by default, and what a patch is answered whose test fails."""
    running, fresh = things(2)
    meddled.operator.prelude = QUICK
    meddled.operator.start()
    start_things(meddled, running)
    words = "only the platform team may change Things"
    with policy_on_things(kubectl, meddled.namespace, reason=reason, says=words, thing=running.name):
        meddled.store_credentials(fresh)
        meddled.apply_thing(fresh, {"deletionPolicy": "Clear", "desired": {"v": 1}})
        found = meddled.wait_for(fresh.name, "Ready", "False", reason="ApiServerRefused")
        assert words in found["message"]
    meddled.wait_for(fresh.name, "Ready")
    assert meddled.get(fresh.name)["metadata"]["finalizers"]
