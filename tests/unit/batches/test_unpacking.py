"""Who unpacks when: one zip at a time, and the namespaces in turn."""

import asyncio
import threading
from collections.abc import Sequence

import pytest
from tests.support.pki import NOW
from tests.unit.credentials.zips import Member, build

from thing_operator.batches import unpacking
from thing_operator.batches.unpacking import Unpacker
from thing_operator.batches.zips import OpenedZip, ZipReader
from thing_operator.core.memory_budget import MemoryBudgetExceededError
from thing_operator.credentials import ArchiveRefusedError, BatchEntry

pytestmark = pytest.mark.real_time

ZIP = build([Member(f"{folder}/cert.pem", b"x" * 10) for folder in "12"])


async def test_one_zip_at_a_time_and_the_namespaces_in_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    alone, order = threading.Lock(), []

    class OneAtATime(ZipReader):
        def open(self, where: str, data: bytes) -> OpenedZip | None:
            assert alone.acquire(blocking=False), "another zip is being read"
            return super().open(where, data)

        def read(self, opened: OpenedZip) -> None:
            super().read(opened)
            order.append(opened.where)
            alone.release()

    monkeypatch.setattr(unpacking, "ZipReader", OneAtATime)
    unpacker = Unpacker()

    async def read(namespace: str, names: Sequence[str]) -> list[BatchEntry]:
        zips = [(name, ZIP) for name in names]
        return await unpacker.read(zips, namespace=namespace, hold=lambda _size: None, now=NOW)

    await asyncio.gather(read("a", ["a1", "a2"]), read("a", ["a3", "a4"]), read("b", ["b1"]))
    assert order == ["a1", "a3", "b1", "a2", "a4"]


async def test_what_a_zip_unpacks_to_is_counted_before_it_is() -> None:
    held: list[int] = []

    def hold(size: int) -> None:
        held.append(size)
        if len(held) > 1:
            raise MemoryBudgetExceededError("no memory")

    zips = [("one", ZIP), ("none", b"no zip"), ("two", ZIP)]
    unpacker = Unpacker()
    with pytest.raises(MemoryBudgetExceededError):
        await unpacker.read(zips, namespace="a", hold=hold, now=NOW)
    assert held == [20, 20]
    with pytest.raises(ArchiveRefusedError, match=r"^none: "):
        await unpacker.read(zips[:2], namespace="a", hold=lambda _size: None, now=NOW)
