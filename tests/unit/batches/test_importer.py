"""What one failing child of a ThingBatch means for the others; tests/api/test_batch_import.py writes real ones."""

from collections.abc import AsyncGenerator, Mapping
from dataclasses import replace
from typing import Any

import pytest
from tests.support.api_client import FakeClient
from tests.support.pki import NOW, ec_pairs

from thing_operator.api.names import THINGS
from thing_operator.api.thingbatch import ThingBatchSpec, ThingResult
from thing_operator.batches.children import CHILD_LIMIT, ThingFiles
from thing_operator.batches.importer import Importer
from thing_operator.batches.parallel import Parallel
from thing_operator.core.memory_budget import Held, MemoryBudget, MemoryBudgetExceededError
from thing_operator.core.resource import ObjectKey, Resource
from thing_operator.core.thing_names import secret_name
from thing_operator.credentials import check_pair
from thing_operator.kube.errors import ApiUnavailableError, ConflictError, ForbiddenError
from thing_operator.kube.ports import Body
from thing_operator.kube.resources import SECRETS
from thing_operator.kube.snapshot import ObjectSnapshot

BATCH = ObjectSnapshot(
    key=ObjectKey("ns", "b"),
    uid="u",
    generation=1,
    created="2026-11-23T00:00:00Z",
    deleting_since=None,
    finalizers=(),
    spec=b"{}",
)
SPEC = ThingBatchSpec.model_validate(
    {"source": {"secrets": [{"name": "zip", "key": "batch.zip"}]}, "prunePolicy": "Delete"}
)
BUDGET = MemoryBudget(1 << 26)
(PAIR,) = ec_pairs(1)
CREDENTIALS = check_pair(PAIR.certificate, PAIR.private_key, now=NOW)


class ChildStore(FakeClient):
    """Takes what is created, but for the names it has an error for."""

    def __init__(self, errors: Mapping[str, Exception] | None = None) -> None:
        self.errors = dict(errors or {})
        self.asked: list[str] = []
        self.secrets: dict[str, Body] = {}

    async def pages(self, resource: Resource, **_: Any) -> AsyncGenerator[dict[str, Any], None]:
        yield {"items": [dict(body) for body in self.secrets.values()] if resource is SECRETS else []}

    async def create(self, resource: Resource, namespace: str, body: Body) -> dict[str, Any]:
        assert resource is SECRETS, THINGS
        name = self._checked(body["metadata"]["name"])
        self.secrets[name] = dict(body) | {"metadata": body["metadata"] | {"uid": name, "namespace": "ns"}}
        return dict(body)

    async def delete(
        self, resource: Resource, key: ObjectKey, *, uid: str | None = None, version: str | None = None
    ) -> None:
        del self.secrets[self._checked(key.name)]

    def _checked(self, name: str) -> str:
        self.asked.append(name)
        if name in self.errors:
            raise self.errors[name]
        return name


def files(count: int) -> list[ThingFiles]:
    return [ThingFiles.of(f"t{n:02}", CREDENTIALS, note=None) for n in range(count)]


async def importer(store: ChildStore) -> Importer:
    made = Importer(store, BATCH, SPEC, budget=BUDGET, parallel=Parallel(), prefixes=None)
    await made.load()
    return made


async def test_one_that_fails_keeps_no_other_from_being_written() -> None:
    wanted = files(40)
    store = ChildStore({"thing-t03": ApiUnavailableError("500 for t03")})
    with pytest.raises(ApiUnavailableError, match="500 for t03"):
        await (await importer(store)).put_all(wanted)
    assert len(store.secrets) == 39
    store.errors.clear()
    store.asked.clear()
    done = await (await importer(store)).put_all(wanted)
    assert [each.name for each in done] == [each.thing_name for each in wanted]
    assert store.asked == ["thing-t03"], "the others are there already"


async def test_of_several_errors_the_one_that_a_person_must_act_on_is_raised() -> None:
    errors = {"thing-t01": ConflictError("busy"), "thing-t05": ForbiddenError("no right")}
    with pytest.raises(ForbiddenError, match="no right"):
        await (await importer(ChildStore(errors))).put_all(files(10))


async def test_where_all_fail_the_rest_is_not_tried() -> None:
    store = ChildStore({f"thing-t{n:02}": ApiUnavailableError("away") for n in range(40)})
    with pytest.raises(ApiUnavailableError, match="away"):
        await (await importer(store)).put_all(files(40))
    assert len(store.asked) == 8


async def test_one_that_cannot_be_pruned_keeps_no_other() -> None:
    store = ChildStore()
    await (await importer(store)).put_all(files(12))
    store.errors = {"thing-t00": ApiUnavailableError("500 for t00")}
    with pytest.raises(ApiUnavailableError, match="500 for t00"):
        await (await importer(store)).prune({"t11"}, imported_before=set())
    assert sorted(store.secrets) == ["thing-t00", "thing-t11"]


async def test_a_child_that_is_too_large_is_left_alone_and_named() -> None:
    store = ChildStore()
    await (await importer(store)).put_all(files(3))
    store.secrets["thing-t01"] = {**store.secrets["thing-t01"], "data": {"x": "x" * CHILD_LIMIT}}
    store.asked.clear()
    done = await (await importer(store)).put_all(files(3))
    assert [each.result for each in done] == ["Imported", "Conflict", "Imported"]
    assert "thing-t01 has" in str(done[1].message)
    assert "delete it" in str(done[1].message)
    assert store.asked == []


async def test_children_beyond_the_budget_are_not_held() -> None:
    store = ChildStore()
    await (await importer(store)).put_all(files(3))
    small = MemoryBudget(1000)
    with Importer(store, BATCH, SPEC, budget=small, parallel=Parallel(), prefixes=None) as made:
        with pytest.raises(MemoryBudgetExceededError):
            await made.load()
        made.hold(100)
        assert small.used[Held.ZIP] == 100
    assert small.used[Held.ZIP] == 0


async def test_what_an_earlier_batch_of_this_name_has_left_is_not_pruned() -> None:
    store = ChildStore()
    await (await importer(store)).put_all(files(2))
    later = Importer(
        store,
        replace(BATCH, uid="another"),
        SPEC,
        budget=MemoryBudget(2**20),
        parallel=Parallel(),
        prefixes=None,
    )
    await later.load()
    assert await later.prune(set(), imported_before={"t01"}) == {"thing-t00"}
    assert sorted(store.secrets) == ["thing-t00"], "what it has imported itself, by its status, is pruned"
    assert await (await importer(store)).prune(set(), imported_before=set()) == frozenset()
    assert store.secrets == {}


async def test_two_thing_names_that_come_to_one_secret_are_said() -> None:
    one, other = "A_x:x_" + "1" * 20, "A_x:x_" + "2" * 20
    store = ChildStore()
    await (await importer(store)).put(replace(files(1)[0], thing_name=one))
    (body,) = store.secrets.values()
    name = secret_name(other)
    store.secrets = {name: dict(body) | {"metadata": body["metadata"] | {"name": name, "uid": name}}}
    again = await importer(store)
    found = await again.put(replace(files(1)[0], thing_name=other))
    assert found.result == ThingResult.CONFLICT
    assert one in (found.message or "")
    assert not again.has_secret(other)
