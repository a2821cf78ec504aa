"""The children of a ThingBatch on a real API server, and what is asked of it for them."""

from typing import Any

from tests.support.api_client import ForwardingClient
from tests.support.pki import NOW, ec_pairs

from thing_operator.api.thingbatch import ThingBatchSpec
from thing_operator.batches.children import ThingFiles
from thing_operator.batches.importer import Importer
from thing_operator.batches.parallel import Parallel
from thing_operator.core.memory_budget import MemoryBudget
from thing_operator.core.resource import ObjectKey
from thing_operator.credentials import check_pair
from thing_operator.kube.client import KubeClient
from thing_operator.kube.snapshot import ObjectSnapshot

SPEC = {
    "source": {"secrets": [{"name": "zip", "key": "batch.zip"}]},
    "things": {"create": True},
    "secretTemplate": {"metadata": {"labels": {"team": "cold"}, "annotations": {"note": "1"}}},
}


def files(*, shift: int = 0) -> list[ThingFiles]:
    """Three things; with another ``shift`` they have other certificates."""
    pairs = ec_pairs(6)[shift : shift + 3]
    found = [check_pair(pair.certificate, pair.private_key, now=NOW) for pair in pairs]
    return [ThingFiles.of(f"0000000{n}", each, note=None) for n, each in enumerate(found)]


async def test_only_what_differs_is_written(client: KubeClient, namespace: str) -> None:
    batch = ObjectSnapshot(
        key=ObjectKey(namespace, "b"),
        uid="11111111-2222-3333-4444-555555555555",
        generation=1,
        created="2026-11-23T00:00:00Z",
        deleting_since=None,
        finalizers=(),
        spec=b"{}",
    )

    async def calls(wanted: list[ThingFiles], **changes: Any) -> list[str]:
        recording = ForwardingClient(client)
        spec = ThingBatchSpec.model_validate(SPEC | changes)
        importer = Importer(
            recording, batch, spec, budget=MemoryBudget(1 << 26), parallel=Parallel(), prefixes=None
        )
        await importer.load()
        done = await importer.put_all(wanted)
        assert {each.result for each in done} == {"Imported"}
        return sorted(recording.calls[2:])

    assert await calls(files()) == ["apply"] * 3 + ["create"] * 3 + ["get"] * 3
    assert await calls(files()) == []
    assert await calls([*files()[:2], files(shift=3)[2]]) == ["json_patch"]
    labels = {"metadata": {"labels": {"team": "warm"}, "annotations": {"note": "1"}}}
    assert await calls([*files()[:2], files(shift=3)[2]], secretTemplate=labels) == ["json_patch"] * 3
    changed = {"create": True, "template": {"spec": {"desired": {"a": 1}}}}
    wanted = [*files()[:2], files(shift=3)[2]]
    assert await calls(wanted, secretTemplate=labels, things=changed) == ["apply"] * 3
    assert await calls(wanted, secretTemplate=labels, things=changed) == []
