"""An order is sent once, whatever is interrupted: the rules as a table, and a crash at each step."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from tests.support.clock import FakeClock

from thing_operator.api.thingbatch import CloudApiSource, OrderStatus
from thing_operator.batches import order as ordering
from thing_operator.batches.cloud_source import CloudSource, InTheMaking, OrderedZip, _OrderState
from thing_operator.batches.order import (
    Made,
    Making,
    OrderFailedError,
    OrderUnknownError,
    Others,
    Step,
)
from thing_operator.core.errors import TransientError
from thing_operator.core.resource import ObjectKey
from thing_operator.download.errors import UrlExpiredError
from thing_operator.download.https import HttpsClient
from thing_operator.mic import Account, BatchItem, BatchOrder, OrderUnansweredError

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
SOURCE = CloudApiSource(host="h", account_secret_name="a", thing_type="freezer", domain="root", size=5)
KEY = ObjectKey("ns", "b")
LATE = NOW + timedelta(minutes=3)


def item(batch_id: str, **changes: Any) -> BatchItem:
    fields: dict[str, Any] = {
        "batch_id": batch_id,
        "thing_type": "freezer",
        "domain": "root",
        "size": 5,
        "current_size": 0,
        "created_by": "User",
        "created_at": NOW,
        "is_finished": False,
        "errors": (),
        "url": None,
    }
    return BatchItem(**(fields | changes))


def intent(*listed: BatchItem) -> OrderStatus:
    return ordering.intend(SOURCE, nonce="n", now=NOW, listed=listed, user_name="user")


@pytest.mark.parametrize(
    ("order", "unsent", "step"),
    [
        (None, False, Step.SEND),
        (intent(), True, Step.SEND),
        (intent(), False, Step.SEARCH),
        (ordering.placed(intent(), "1"), False, Step.FOLLOW),
        (ordering.placed(intent(), "1"), True, Step.FOLLOW),
    ],
)
def test_next_step(order: OrderStatus | None, unsent: bool, step: Step) -> None:
    assert ordering.next_step(order, is_unsent=unsent) is step


@pytest.mark.parametrize(
    "listed",
    [
        [item("new")],
        [item("old"), item("new", created_by=None, created_at=None)],
        [item("new"), item("x", size=6), item("y", thing_type="pump"), item("z", domain="d")],
        [item("new"), item("x", created_by="other"), item("y", created_at=NOW - timedelta(hours=1))],
        [item("new"), item("theirs")],
    ],
)
def test_the_one_batch_that_can_be_it_is_adopted(listed: Sequence[BatchItem]) -> None:
    found = ordering.find(
        intent(item("old")),
        listed,
        user_name="user",
        others=Others(frozenset({"theirs"})),
        now=NOW,
        searched=timedelta(0),
    )
    assert found == "new"


@pytest.mark.parametrize(
    ("listed", "others"),
    [
        ([], Others()),
        ([item("old")], Others()),
        ([item("a"), item("b")], Others()),
        ([item("a")], Others(has_rival=True)),
    ],
)
def test_doubt_waits_first_and_asks_a_person_then(listed: Sequence[BatchItem], others: Others) -> None:
    order = intent(item("old"))

    def find(now: datetime, searched: timedelta) -> str | None:
        return ordering.find(order, listed, user_name="user", others=others, now=now, searched=searched)

    shortly = timedelta(minutes=1)
    assert find(NOW, shortly) is None
    assert find(NOW - timedelta(hours=1), shortly) is None
    for now, searched in ((LATE, timedelta(0)), (NOW - timedelta(hours=1), LATE - NOW)):
        with pytest.raises(OrderUnknownError, match="batchId"):
            find(now, searched)


class Crash(BaseException):
    """The process ends here."""


class MicAndStatus:
    """MIC and the API server, which outlive the process; it ends at the step with the number ``crash_at``."""

    def __init__(self, crash_at: int, *, answers: bool = True) -> None:
        self.crash_at = crash_at
        self.answers = answers
        self.step = 0
        self.made: list[BatchItem] = []
        self.stored: OrderStatus | None = None
        self.account = Account("user", "pw")

    def _point(self) -> None:
        self.step += 1
        if self.step == self.crash_at:
            raise Crash

    async def batches(self) -> tuple[BatchItem, ...]:
        return tuple(self.made)

    async def order_batch(self, order: BatchOrder) -> str:
        self._point()
        self.made.append(item(f"batch-{len(self.made)}"))
        self._point()
        if not self.answers:
            self.answers = True
            raise OrderUnansweredError("no answer")
        return self.made[-1].batch_id

    async def persist(self, order: OrderStatus | None) -> None:
        self._point()
        self.stored = order
        self._point()


def source_of(clock: FakeClock, *, may_order: Callable[[], bool] = lambda: True) -> CloudSource:
    """What a process begins with."""
    return CloudSource(
        HttpsClient(hosts=()),
        manifest_url="https://m",
        may_order=lambda _key: may_order(),
        clock=clock,
        limit=1,
    )


async def advance(cloud: CloudSource, world: MicAndStatus) -> OrderedZip | InTheMaking:
    """One reconcile; the login is MIC's part."""
    cloud._states.setdefault(KEY, _OrderState()).client = world  # type: ignore[assignment]
    return await cloud.advance(
        KEY,
        SOURCE,
        account=world.account,
        order=world.stored,
        others=lambda _: Others(),
        persist=world.persist,
    )


async def run_until_done(world: MicAndStatus) -> None:
    """Reconciles of one process after the other, each new one with an empty memory."""
    clock = FakeClock(start=NOW)
    cloud = source_of(clock)
    for _ in range(8):
        try:
            await advance(cloud, world)
        except Crash:
            cloud = source_of(clock)
        except (TransientError, OrderUnknownError):
            pass
        clock.advance(40)


@pytest.mark.parametrize("crash_at", range(1, 8))
async def test_a_crash_at_each_step_never_orders_twice(crash_at: int) -> None:
    world = MicAndStatus(crash_at)
    await run_until_done(world)
    assert len(world.made) <= 1
    adopted = world.stored is not None and world.stored.batch_id is not None
    assert adopted == bool(world.made)


async def test_a_lost_answer_is_found_in_the_list() -> None:
    world = MicAndStatus(0, answers=False)
    await run_until_done(world)
    assert world.stored is not None
    assert ([each.batch_id for each in world.made], world.stored.batch_id) == (["batch-0"], "batch-0")


async def test_an_order_whose_time_a_wrong_clock_has_given_is_not_looked_for_for_hours() -> None:
    """The clock was two hours ahead when the order was written down, and its request was lost."""
    world, clock = MicAndStatus(0), FakeClock(start=NOW)
    world.stored = intent().model_copy(update={"time": NOW + timedelta(hours=2)})
    cloud = source_of(clock)
    assert isinstance(await advance(cloud, world), InTheMaking)
    clock.advance(60)
    assert isinstance(await advance(cloud, world), InTheMaking)
    clock.advance(61)
    with pytest.raises(OrderUnknownError, match="batchId"):
        await advance(cloud, world)


async def test_nothing_is_ordered_once_another_replica_may_have_the_batch() -> None:
    """The order is in status by then: this process knows that it was not sent, and sends it when it may again."""
    world, allowed = MicAndStatus(0), False
    cloud = source_of(FakeClock(start=NOW), may_order=lambda: allowed)
    with pytest.raises(TransientError, match="another replica"):
        await advance(cloud, world)
    assert world.made == []
    assert world.stored is not None
    assert world.stored.batch_id is None
    allowed = True
    await advance(cloud, world)
    assert len(world.made) == 1


URL = "https://zips.example/z"


@pytest.mark.parametrize(
    ("listed", "found"),
    [
        ([], Making(0, 5)),
        ([item("other")], Making(0, 5)),
        ([item("1", current_size=3)], Making(3, 5)),
        ([item("1", size=None)], Making(0, 5)),
        ([item("1", current_size=5, is_finished=True, url=URL)], Made(URL)),
        (
            [item("1", current_size=3, is_finished=True, url=URL, errors=("no room",))],
            Made(URL, lacking="MIC made 3 of 5 things of batch 1: no room"),
        ),
    ],
)
def test_how_far_mic_is(listed: Sequence[BatchItem], found: Making | Made) -> None:
    assert ordering.follow("1", listed, size=5) == found


@pytest.mark.parametrize("current", [0, 3])
def test_a_batch_without_a_zip_has_failed(current: int) -> None:
    made = item("1", current_size=current, is_finished=True, errors=("no room",))
    with pytest.raises(
        OrderFailedError, match=rf"MIC made {current} of 5 things of batch 1 and no zip \(no room\)"
    ):
        ordering.follow("1", [made], size=5)


class Downloads(HttpsClient):
    """Acknowledgements by url; one that is not there has expired."""

    def __init__(self, **zips: bytes) -> None:
        super().__init__(hosts=())
        self.zips = zips

    async def download(self, url: str, *, limit: int, **_: Any) -> bytes:
        if url not in self.zips:
            raise UrlExpiredError("the url has expired")
        return self.zips[url]


class Listing(MicAndStatus):
    """A batch that is made, whose url is another one at each look."""

    def __init__(self, *urls: str) -> None:
        super().__init__(0)
        self.urls = list(urls)

    async def batches(self) -> tuple[BatchItem, ...]:
        url = self.urls.pop(0) if len(self.urls) > 1 else self.urls[0]
        return (item("1", current_size=5, is_finished=True, url=url),)


async def followed(world: MicAndStatus, https: HttpsClient) -> OrderedZip | InTheMaking:
    cloud = CloudSource(
        https, manifest_url="https://m", may_order=lambda _key: True, clock=FakeClock(start=NOW), limit=1
    )
    cloud._states.setdefault(KEY, _OrderState()).client = world  # type: ignore[assignment]
    return await cloud.advance(
        KEY,
        SOURCE,
        account=world.account,
        order=ordering.placed(intent(), "1"),
        others=lambda _: Others(),
        persist=world.persist,
    )


async def test_a_url_that_has_just_expired_is_asked_for_again() -> None:
    found = await followed(Listing("old", "new"), Downloads(new=b"zip"))
    assert isinstance(found, OrderedZip)
    assert (found.zip.content, found.order.current_size) == (b"zip", 5)
    with pytest.raises(UrlExpiredError):
        await followed(Listing("old", "older"), Downloads(new=b"zip"))
