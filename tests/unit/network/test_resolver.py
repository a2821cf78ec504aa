"""Names of brokers: asked once, answered in bounded time, and no tenant in the way of another."""

import asyncio
import socket
from typing import Any

import pytest
from tests.support.clock import loop_time

from thing_operator.network.resolver import Addresses, Resolver

NO_SUCH_NAME = socket.gaierror(socket.EAI_NONAME, "not known")
SILENT = socket.gaierror(socket.EAI_AGAIN, "try again")


def at(address: str) -> Addresses:
    return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, 0))]


class Names:
    """A name service: what ends in ``.slow`` fails after half a minute; errors and delays of others by name."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.under_way = 0
        self.most_under_way = 0
        self.errors: dict[str, Exception] = {}
        self.delays: dict[str, float] = {}
        self.address = "192.0.2.1"
        self.resolver = Resolver(self.ask)

    async def ask(self, host: str) -> Addresses:
        self.asked.append(host)
        self.under_way += 1
        self.most_under_way = max(self.most_under_way, self.under_way)
        address = self.address
        await asyncio.sleep(30 if host.endswith(".slow") else self.delays.get(host, 0.01))
        self.under_way -= 1
        if host.endswith(".slow"):
            raise SILENT
        if error := self.errors.get(host):
            raise error
        return at(address)

    async def first(self, host: str, tenant: str | None = "team") -> str:
        [found, *_] = await self.resolver.resolve(host, 8883, tenant=tenant)
        return str(found[4][0])

    def flood(self, tenant: str, number: int) -> "list[asyncio.Task[Any]]":
        """So many Things of a tenant, each with a name that does not resolve in time."""

        async def dial(host: str) -> None:
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(10):
                    await self.first(host, tenant)

        return [asyncio.create_task(dial(f"{tenant}-{each}.slow")) for each in range(number)]


@pytest.fixture
def names() -> Names:
    return Names()


def took(began: float) -> float:
    """Seconds since ``began``, by the loop's clock."""
    return loop_time() - began


async def test_all_who_ask_at_once_share_a_lookup_and_each_has_its_port(names: Names) -> None:
    found = await asyncio.gather(
        *(names.resolver.resolve("A.example", port, tenant=None) for port in (443, 8883))
    )
    assert [each[0][4] for each in found] == [("192.0.2.1", 443), ("192.0.2.1", 8883)]
    await names.first("a.example")
    assert names.asked == ["a.example"]
    await asyncio.sleep(11)
    await names.first("a.example")
    assert names.asked == ["a.example"] * 2


async def test_names_that_do_not_resolve_hold_up_neither_other_tenants_nor_the_operators_own_broker(
    names: Names,
) -> None:
    flood = names.flood("evil", 40)
    await asyncio.sleep(1)
    assert names.under_way == 1
    began = loop_time()
    assert await names.first("broker.example", None) == "192.0.2.1"
    assert await names.first("theirs.example", "team-b") == "192.0.2.1"
    assert took(began) < 1
    await asyncio.gather(*flood)
    assert len(names.asked) == 3, "of forty that gave up, one is under way and the others were never begun"


async def test_a_name_that_two_tenants_choose_is_not_behind_what_one_of_them_waits_for(names: Names) -> None:
    flood = names.flood("evil", 2)
    await asyncio.sleep(1)
    first = asyncio.create_task(names.first("shared.example", "evil"))
    began = loop_time()
    assert await names.first("shared.example", "team-b") == "192.0.2.1"
    assert took(began) < 1
    assert await first == "192.0.2.1"
    assert names.asked.count("shared.example") == 1
    await asyncio.gather(*flood)


async def test_with_very_many_tenants_threads_are_bounded_and_each_has_its_turn(names: Names) -> None:
    floods = [names.flood(f"evil-{each}", 3) for each in range(70)]
    await asyncio.sleep(1)
    assert names.most_under_way == 64
    assert await names.first("broker.example", None) == "192.0.2.1"
    began = loop_time()
    assert await names.first("late.example", "late") == "192.0.2.1"
    assert took(began) <= 31, "one lookup of those that have the threads"
    await asyncio.gather(*(task for flood in floods for task in flood))


async def test_a_name_of_a_tenant_that_failed_waits_a_minute_and_one_of_the_configuration_does_not(
    names: Names,
) -> None:
    names.errors = {"a.example": SILENT}
    for _ in range(3):
        with pytest.raises(socket.gaierror, match="try again"):
            await names.first("a.example")
    assert len(names.asked) == 1
    with pytest.raises(socket.gaierror):
        await names.first("a.example", None)
    assert len(names.asked) == 2
    names.errors = {}
    await asyncio.sleep(61)
    assert await names.first("a.example") == "192.0.2.1"


async def test_an_old_answer_does_while_a_new_one_does_not_come(names: Names) -> None:
    await names.first("a.example")
    await asyncio.sleep(3600)
    names.delays = {"a.example": 20}
    names.address = "192.0.2.2"
    began = loop_time()
    assert await names.first("a.example") == "192.0.2.1"
    assert took(began) == pytest.approx(2)
    await asyncio.sleep(20)
    assert await names.first("a.example") == "192.0.2.2", "it came after all"
    names.errors, names.delays = {"a.example": SILENT}, {}
    await asyncio.sleep(3600)
    assert await names.first("a.example") == "192.0.2.2"
    assert await names.first("a.example") == "192.0.2.2"
    assert len(names.asked) == 3, "what failed is left alone for a minute here, too"


async def test_an_old_answer_does_not_outlive_the_name_nor_a_day(names: Names) -> None:
    await names.first("a.example")
    names.errors = {"a.example": NO_SUCH_NAME}
    await asyncio.sleep(3600)
    with pytest.raises(socket.gaierror, match="not known"):
        await names.first("a.example", None)
    names.errors = {}
    await names.first("b.example")
    names.errors = {"b.example": SILENT}
    await asyncio.sleep(25 * 3600)
    with pytest.raises(socket.gaierror, match="try again"):
        await names.first("b.example")


async def test_what_is_known_is_bounded(names: Names) -> None:
    for number in range(3000):
        await names.first(f"{number}.example", None)
    assert len(names.resolver._known) == 1024
    assert await names.first("2999.example") == "192.0.2.1"
    assert len(names.asked) == 3000


@pytest.mark.real_time
async def test_a_real_lookup_and_one_that_nobody_waits_for(monkeypatch: pytest.MonkeyPatch) -> None:
    resolver = Resolver()
    assert await resolver.resolve("127.0.0.1", 8883, tenant="t")
    monkeypatch.setattr(
        socket, "getaddrinfo", lambda *_, **__: (_ for _ in ()).throw(UnicodeError("label too long"))
    )
    with pytest.raises(UnicodeError, match="too long"):
        await resolver.resolve("bad.example", 8883, tenant="t")
    resolver.close()
