"""What a cluster's rules keep a ThingBatch from making is said in its status, in the API server's own words."""

from tests.integration.batches import Results, batch_spec, create_things, results
from tests.support.controlplane import Kubectl
from tests.support.operator import Workspace
from tests.support.refusals import policy_on_secrets, set_quota, use_up


def check_again(workspace: Workspace, policy: str) -> None:
    """Nobody tells of a quota or policy that was changed, and the operator's own timer takes minutes: any edit does."""
    workspace.apply("ThingBatch", "b", batch_spec(prunePolicy=policy, **create_things({})))


def refused(found: Results) -> list[str]:
    return [each["message"] for each in found.values() if each["result"] == "Refused"]


def test_a_quota_is_named_with_what_is_imported(workspace: Workspace, kubectl: Kubectl) -> None:
    workspace.store_zip(workspace.cloud.create_batch(5, key_type="ec"))
    use_up(kubectl, workspace.namespace, resource="secrets", room=2)
    check_again(workspace, "Retain")
    found = workspace.wait_for("b", "Stalled", reason="PartlyImported", kind="thingbatch")
    assert found["message"].startswith("2 of 5 things imported: ")
    assert "exceeded quota: full" in found["message"]
    words = refused(results(workspace))
    assert len(words) == 3
    for each in words:
        assert "have the cluster's quota, policy or webhook changed" in each
        assert "Role" not in each
    assert len(workspace.list("things")) == 2
    set_quota(kubectl, workspace.namespace, "count/secrets", limit=100, used=3)
    check_again(workspace, "Delete")
    workspace.wait_for("b", "Ready", reason="Imported", kind="thingbatch")
    assert len(workspace.list("things")) == 5


def test_a_policys_words_are_shown(workspace: Workspace, kubectl: Kubectl) -> None:
    workspace.store_zip(workspace.cloud.create_batch(2, key_type="ec"))
    owned = "has(object.metadata.labels) && 'team' in object.metadata.labels"
    says = "no Secrets without an owner label"
    spec = batch_spec()
    with policy_on_secrets(kubectl, workspace.namespace, expression=owned, says=says):
        workspace.apply("ThingBatch", "b", spec)
        found = workspace.wait_for("b", "Stalled", reason="PartlyImported", kind="thingbatch")
        assert says in found["message"]
        assert "denied request" in found["message"]
        assert all(says in each for each in refused(results(workspace)))
        # What the policy asks for is there to be said in the spec.
        workspace.apply("ThingBatch", "b", spec | {"secretTemplate": {"metadata": {"labels": {"team": "a"}}}})
        workspace.wait_for("b", "Ready", reason="Imported", kind="thingbatch")


def test_an_immutable_secret_keeps_its_certificate_until_it_is_deleted(workspace: Workspace) -> None:
    data = workspace.cloud.create_batch(2, key_type="ec")
    first = min(workspace.cloud.things(data))
    workspace.store_zip(data)
    workspace.apply("ThingBatch", "b", batch_spec())
    workspace.wait_for("b", "Ready", reason="Imported", kind="thingbatch")
    workspace.kubectl("patch", "secret", f"thing-{first}", '--patch={"immutable": true}')
    # Labels may change, and the same content is no change.
    labels = {"secretTemplate": {"metadata": {"labels": {"team": "a"}}}}
    workspace.apply("ThingBatch", "b", batch_spec(**labels))
    workspace.wait_for("b", "Ready", reason="Imported", kind="thingbatch")
    workspace.kubectl("delete", "secret", f"thing-{first}")
    kept = workspace.secret(workspace.cloud.things(data)[max(workspace.cloud.things(data))])
    kept["metadata"] |= {"name": f"thing-{first}", "labels": {"thing-operator.io/batch": "b"}}
    kept["metadata"]["annotations"] = {"thing-operator.io/thing-name": first}
    workspace.create(kept | {"immutable": True})
    workspace.apply("ThingBatch", "b", batch_spec())
    found = workspace.wait_for("b", "Stalled", reason="PartlyImported", kind="thingbatch")
    assert f"Secret thing-{first} is immutable and holds another certificate or key" in found["message"]
    assert results(workspace)[first]["result"] == "Conflict"
    workspace.kubectl("delete", "secret", f"thing-{first}")
    workspace.apply("ThingBatch", "b", batch_spec(**labels))
    workspace.wait_for("b", "Ready", reason="Imported", kind="thingbatch")
