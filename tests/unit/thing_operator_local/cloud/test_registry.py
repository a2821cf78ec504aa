"""Names, certificates and children of the registry, and that all of it is kept."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from thing_operator_local.cloud.certificates import ThingAuthority, thing_authority
from thing_operator_local.cloud.registry import Registry, Thing
from thing_operator_local.cloud.store import Store
from thing_operator_local.pki import KeyType

pytestmark = pytest.mark.real_time


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> ThingAuthority:
    return thing_authority(tmp_path_factory.mktemp("pki"))


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = Store(tmp_path / "cloud.sqlite")
    yield store
    store.close()


@pytest.fixture
def registry(store: Store, authority: ThingAuthority) -> Registry:
    return Registry(store, authority, clock_ms=lambda: 1_790_000_000_000)


async def create(registry: Registry, name: str | None = None) -> Thing:
    return await registry.create(
        thing_type="freezer", domain="root", created_by="me", name=name, key_type=KeyType.EC
    )


async def test_names_are_numbers_of_eight_digits(registry: Registry) -> None:
    await create(registry, "00000002")
    made = await asyncio.gather(*(create(registry) for _ in range(3)))
    assert sorted(thing.name for thing in made) == ["00000001", "00000003", "00000004"]


async def test_a_name_is_given_once_even_at_the_same_time(registry: Registry) -> None:
    first, second = await asyncio.gather(
        create(registry, "pump"), create(registry, "pump"), return_exceptions=True
    )
    assert isinstance(first, Thing)
    assert isinstance(second, KeyError)


async def test_certificate_finds_its_thing_until_it_is_replaced(registry: Registry) -> None:
    thing = await create(registry)
    old = thing.credentials
    assert old is not None
    assert registry.owner(old.fingerprint) == thing.name
    calls = 0

    async def announce() -> None:
        nonlocal calls
        calls += 1
        assert old is not None
        assert old.fingerprint not in registry.identities()

    registry.announce = announce
    new = (await registry.replace_certificate(thing.name, key_type=KeyType.EC)).credentials
    assert new is not None
    assert (calls, registry.owner(old.fingerprint)) == (1, None)
    assert registry.identities() == {new.fingerprint: thing.name}


async def test_child_is_registered_once_under_a_known_parent(registry: Registry) -> None:
    parent = await create(registry, "gateway")
    child = registry.create_child("gateway__pump", thing_type=None)
    assert child is not None
    assert (child.parent, child.thing_type, child.credentials) == ("gateway", parent.thing_type, None)
    assert registry.create_child("gateway__pump", thing_type="other") is None
    assert registry.create_child("stranger__pump", thing_type=None) is None
    with pytest.raises(KeyError):
        await registry.replace_certificate("gateway__pump")


async def test_everything_is_kept(registry: Registry, store: Store, authority: ThingAuthority) -> None:
    thing = await create(registry)
    registry.create_child(f"{thing.name}__pump", thing_type="pump")
    again = Registry(store, authority, clock_ms=lambda: 0)
    assert again.get(thing.name) == thing
    assert again.get(f"{thing.name}__pump") == registry.get(f"{thing.name}__pump")
    assert again.identities() == registry.identities()
    assert (await create(again)).name == "00000002"


def test_a_transaction_is_all_or_nothing(store: Store) -> None:
    def fail() -> None:
        with store.transaction():
            store.put_meta("a", "1")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert store.meta("a", "none") == "none"
