"""From CRDs whose status has an owner for each leaf to those whose status has one, and back, over live objects."""

import copy
import json
import random
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.support.controlplane import CRDS, Kubectl
from tests.support.polling import until

from thing_operator.api.names import BATCHES, FIELD_MANAGER, THINGS
from thing_operator.core.backoff import Backoff
from thing_operator.core.clock import SystemClock
from thing_operator.core.resource import ObjectKey, ObjectRef, Resource
from thing_operator.kube.client import KubeClient
from thing_operator.kube.status_writer import StatusWriter

Json = dict[str, Any]
CONDITION = {
    "type": "Ready",
    "status": "True",
    "reason": "Accepted",
    "message": "m",
    "lastTransitionTime": "2026-01-01T00:00:00Z",
}
SPECS: dict[Resource, Json] = {
    THINGS: {"desired": {"a": 1, "b": {"c": 2}}},
    BATCHES: {"source": {"secrets": [{"name": "zip", "key": "batch.zip"}]}},
}


def with_an_owner_for_each_leaf() -> str:
    """The CRDs as they were before their status was atomic."""
    crds: list[Json] = [yaml.safe_load(path.read_text()) for path in sorted(Path(CRDS).glob("*.yaml"))]
    for crd in crds:
        schema = crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
        assert schema["properties"]["status"].pop("x-kubernetes-map-type") == "atomic"
    return json.dumps({"apiVersion": "v1", "kind": "List", "items": crds})


def status(step: int) -> Json:
    return {"observedGeneration": step, "conditions": [CONDITION | {"message": f"step {step}"}]}


class Upgrade:
    """One object of a kind, applied by somebody's GitOps tool, whose status we write."""

    def __init__(self, client: KubeClient, kubectl: Kubectl, resource: Resource, namespace: str) -> None:
        self._client = client
        self._kubectl = kubectl
        self._resource = resource
        self._key = ObjectKey(namespace, "upgraded")
        self._writer = StatusWriter(
            client,
            writes_per_second=100,
            retry=Backoff(timedelta(seconds=1), timedelta(minutes=1), random.Random(1)),
            clock=SystemClock(),
            on_deleted=lambda _ref: None,
        )

    def apply_spec(self, spec: Json) -> None:
        manifest = {
            "apiVersion": "thing-operator.io/v1alpha1",
            "kind": self._resource.kind,
            "metadata": {"name": self._key.name, "namespace": self._key.namespace},
            "spec": spec,
        }
        self._kubectl(
            "apply", "--server-side", "--field-manager=gitops", "-f", "-", input=json.dumps(manifest)
        )

    async def write(self, step: int) -> None:
        ref = ObjectRef(self._resource, self._key, (await self.stored())["metadata"]["uid"])
        await self._writer.write_through(ref, status(step))

    async def stored(self) -> Json:
        return await self._client.get(self._resource, self._key)

    async def owned(self) -> dict[str, Json]:
        """The fields of each manager, the status' apart."""
        entries = (await self.stored())["metadata"]["managedFields"]
        return {f"{each['manager']}/{each.get('subresource', 'spec')}": each["fieldsV1"] for each in entries}

    async def status_owned(self) -> Json:
        return dict((await self.owned())[f"{FIELD_MANAGER}/status"]["f:status"])


@pytest.fixture
async def restored_crds(kubectl: Kubectl) -> AsyncIterator[None]:
    yield
    kubectl("apply", "--server-side", "--force-conflicts", "-f", str(CRDS))


@pytest.mark.parametrize("resource", [THINGS, BATCHES], ids=lambda each: each.plural)
@pytest.mark.usefixtures("restored_crds")
async def test_the_owner_of_status_changes_with_the_crd_and_the_owners_of_spec_stay(
    client: KubeClient, kubectl: Kubectl, namespace: str, resource: Resource
) -> None:
    upgrade, step = Upgrade(client, kubectl, resource, namespace), iter(range(1, 1000))

    async def written_until(reached: Callable[[Json], bool]) -> None:
        """The API server takes up a changed CRD a moment later; until then a write is stored the former way."""

        async def look() -> bool:
            await upgrade.write(next(step))
            return reached(await upgrade.status_owned())

        await until(look, "status is stored by the CRD in force")

    kubectl("apply", "--server-side", "--force-conflicts", "-f", "-", input=with_an_owner_for_each_leaf())
    upgrade.apply_spec(SPECS[resource])
    await written_until(lambda owned: "f:conditions" in owned)
    spec_owned = (await upgrade.owned())["gitops/spec"]
    before = copy.deepcopy((await upgrade.stored())["status"])

    kubectl("apply", "--server-side", "--force-conflicts", "-f", str(CRDS))
    assert (await upgrade.stored())["status"] == before
    await written_until(lambda owned: owned == {})
    assert (await upgrade.owned())["gitops/spec"] == spec_owned
    upgrade.apply_spec(SPECS[resource])

    kubectl("apply", "--server-side", "--force-conflicts", "-f", "-", input=with_an_owner_for_each_leaf())
    await written_until(lambda owned: "f:conditions" in owned)
    assert (await upgrade.owned())["gitops/spec"] == spec_owned
    assert (await upgrade.stored())["status"]["conditions"][0]["type"] == "Ready"
