"""Several Things for one thing: who may hold its session, and when that may change."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from thing_operator.core.reasons import Reason
from thing_operator.core.resource import ObjectKey
from thing_operator.twin.claims import (
    FAILURE_COUNTS_FOR,
    Addressing,
    Claims,
    Rank,
    ThingClaim,
    TrackRecord,
    decide,
)

BY_HOST, BY_ADDRESS = Addressing(), Addressing(account_per_address=True)
SECOND = timedelta(seconds=1)


def claim(
    number: int, *, host: str = "broker", port: int = 8883, key: str = "", addressing: Addressing = BY_HOST
) -> ThingClaim:
    """The claim of a Thing; the number is its age. ``key``: of its certificate, one of its own by default."""
    return ThingClaim(
        key=ObjectKey("ns", str(number)),
        thing_name="t",
        address=addressing.address(host, port),
        fingerprints=(key or f"certificate {number}",),
        seniority=(str(number), ""),
    )


def holding(*claims: tuple[ThingClaim, Rank], addressing: Addressing = BY_HOST) -> dict[str, str | None]:
    ranks = {each.key: rank for each, rank in claims}
    found = decide([each for each, _ in claims], ranks, addressing)
    return {key.name: holder.name if holder else None for key, holder in found.items()}


PROVEN, UNTRIED, WAITING, FAILED, REFUSED = Rank


@pytest.mark.parametrize(
    ("older", "younger", "holder"),
    [
        (UNTRIED, UNTRIED, "1"),
        (PROVEN, PROVEN, "1"),
        (UNTRIED, PROVEN, "2"),
        (FAILED, UNTRIED, "2"),
        (FAILED, FAILED, "1"),
        (REFUSED, FAILED, "2"),
        (REFUSED, REFUSED, "1"),
        (FAILED, PROVEN, "2"),
        (WAITING, UNTRIED, "2"),
        (WAITING, FAILED, "1"),
    ],
)
def test_who_has_connected_comes_first_then_who_may_yet_then_the_older(
    older: Rank, younger: Rank, holder: str
) -> None:
    found = holding((claim(1), older), (claim(2), younger))
    assert [name for name, waits_for in found.items() if waits_for is None] == [holder]


@pytest.mark.parametrize(
    ("host", "port", "key", "is_one_thing", "with_accounts"),
    [
        ("broker", 8883, "2", True, True),
        ("broker", 443, "2", True, False),
        ("Broker.", 8883, "2", True, True),
        ("10.0.0.1", 8883, "1", True, False),
        ("another", 8883, "2", False, False),
    ],
)
def test_one_thing_by_several_addresses_is_one_thing(
    host: str, port: int, key: str, is_one_thing: bool, with_accounts: bool
) -> None:
    for addressing, expected in ((BY_HOST, is_one_thing), (BY_ADDRESS, with_accounts)):
        one = claim(1, key="1", addressing=addressing)
        other = claim(2, host=host, port=port, key=key, addressing=addressing)
        assert addressing.same_thing(one, other) is expected


def test_who_waits_for_one_that_waits_itself_need_not_wait() -> None:
    first, second, third = claim(1), claim(2, key="certificate 1", host="b"), claim(3, host="b")
    assert holding((first, UNTRIED), (second, UNTRIED), (third, UNTRIED)) == {"1": None, "2": "1", "3": None}


def record(*notes: Mapping[str, object], proven: str | None = None) -> TrackRecord:
    made = TrackRecord()
    made.begin(proven)
    for note in notes:
        known: dict[str, object] = {"wanted": "a", "in_use": None, "rotation": None, "now": SECOND}
        made.note(**known | dict(note))  # type: ignore[arg-type]
    return made


CONNECTED = {"in_use": "a", "reason": Reason.CONNECTED}
REFUSAL = {"reason": Reason.NOT_AUTHORIZED}


@pytest.mark.parametrize(
    ("notes", "proven", "expected"),
    [
        ([], None, UNTRIED),
        ([], "a", PROVEN),
        ([], "b", UNTRIED),
        ([{"reason": Reason.CONNECTING}], "a", PROVEN),
        ([CONNECTED], None, PROVEN),
        ([CONNECTED, {"reason": Reason.CONNECTION_LOST}], None, PROVEN),
        ([CONNECTED, {"reason": Reason.ENDPOINT_UNREACHABLE}], None, PROVEN),
        ([CONNECTED, REFUSAL], None, REFUSED),
        ([CONNECTED, {"reason": Reason.TLS_FAILED}], None, FAILED),
        ([REFUSAL], "a", REFUSED),
        ([REFUSAL, CONNECTED], None, PROVEN),
        ([{"reason": Reason.ENDPOINT_UNREACHABLE}], None, FAILED),
        ([{"in_use": "b", "reason": Reason.CONNECTED}], None, UNTRIED),
        ([{"in_use": "b", "reason": Reason.CONNECTED, "rotation": Reason.NOT_AUTHORIZED}], None, REFUSED),
        ([CONNECTED | {"rotation": Reason.NOT_AUTHORIZED}], None, PROVEN),
    ],
)
def test_what_a_session_shows_is_remembered(
    notes: list[dict[str, object]], proven: str | None, expected: Rank
) -> None:
    assert record(*notes, proven=proven).rank("a", now=2 * SECOND) is expected


def test_a_failure_counts_for_a_while_and_for_the_same_credentials() -> None:
    failed = record(REFUSAL)
    assert failed.rank("a", now=SECOND + FAILURE_COUNTS_FOR) is UNTRIED
    failed.use("other credentials")
    assert failed.rank("a", now=SECOND) is UNTRIED
    again = record()
    again.use("the same")
    again.note(wanted="a", in_use=None, reason=Reason.NOT_AUTHORIZED, rotation=None, now=SECOND)
    again.use("the same")
    assert again.rank("a", now=SECOND) is REFUSED


def test_a_status_counts_once() -> None:
    refused = record(REFUSAL, proven="a")
    refused.begin("a")
    assert refused.rank("a", now=SECOND) is REFUSED


def test_claims_are_kept_by_thing_name_and_one_for_each_thing() -> None:
    claims = Claims()
    claims.enter(claim(1))
    claims.enter(moved := claim(1, host="b"))
    claims.enter(other := claim(2))
    assert claims.of_thing("t") == (moved, other)
    assert claims.withdraw(other.key) == "t"
    assert claims.withdraw(other.key) is None
    claims.withdraw(moved.key)
    assert claims.of_thing("t") == ()


# --- any order of what people, brokers and operators do

HOSTS = ("broker", "broker", "elsewhere")


@dataclass
class Maker:
    """One Thing as the world has it. ``good_at``: the broker that lets its certificate in."""

    key: ObjectKey
    age: int
    host: str
    good_at: str | None
    certificate: str
    has_secret: bool = True
    suspended: bool = False
    deleted: bool = False
    status: str | None = None
    """The broker it is connected to, as its status says."""
    connected_to: str | None = None
    trying: bool = False
    record: TrackRecord = field(default_factory=TrackRecord)


class Rivals(RuleBasedStateMachine):
    """Makers of Things for one thing name, in namespaces of their own, under an operator that may restart."""

    def __init__(self) -> None:
        super().__init__()
        self.makers: list[Maker] = []
        self.claims = Claims()
        self.now = timedelta(0)

    # --- what people do

    @rule(
        host=st.sampled_from(HOSTS),
        good_at=st.sampled_from((*HOSTS, None)),
        shares=st.booleans(),
        has_secret=st.sampled_from((True, True, False)),
        age=st.integers(0, 9),
    )
    @precondition(lambda self: len(self.makers) < 5)
    def make(self, host: str, good_at: str | None, shares: bool, has_secret: bool, age: int) -> None:
        """In any order of their ages: objects are restored, and operators see them late."""
        number = len(self.makers)
        certificate = self.makers[0].certificate if shares and self.makers else f"certificate {number}"
        key = ObjectKey(f"team-{number % 2}", str(number))
        self.makers.append(Maker(key, age, host, good_at, certificate, has_secret))
        self.reconcile_all()

    @rule(data=st.data(), what=st.sampled_from(("endpoint", "suspend", "Secret", "deletion")))
    def change(self, data: st.DataObject, what: str) -> None:
        """Moving to another's broker ends no session that is up there; a foreign finalizer may hold what is deleted."""
        maker = self.one(data)
        if maker is None:
            return
        match what:
            case "endpoint":
                maker.host = data.draw(st.sampled_from(HOSTS))
            case "suspend":
                maker.suspended = not maker.suspended
            case "Secret":
                maker.has_secret = not maker.has_secret
            case "deletion":
                maker.deleted = True
        self.reconcile_all()

    # --- what time and brokers do

    @rule()
    def attempt(self) -> None:
        """Whoever may connects, or is refused."""
        for maker in self.makers:
            if maker.trying and maker.connected_to != maker.host:
                good = maker.good_at == maker.host
                maker.connected_to = maker.host if good else maker.connected_to
                self.note(maker, None if good else Reason.NOT_AUTHORIZED)
        self.reconcile_all()

    @rule(data=st.data())
    def drop(self, data: st.DataObject) -> None:
        """For a moment: nobody else gets in between."""
        maker = self.one(data)
        if maker is not None and maker.connected_to == maker.host:
            maker.connected_to = None
            self.note(maker, Reason.CONNECTION_LOST)
            self.reconcile_all()
            assert maker.trying

    @rule()
    def a_while(self) -> None:
        self.now += FAILURE_COUNTS_FOR
        self.reconcile_all()

    @rule()
    def restart(self) -> None:
        before = {each.key for each in self.makers if each.connected_to == each.host and each.has_secret}
        self.claims = Claims()
        for maker in self.makers:
            maker.status = maker.connected_to
            maker.connected_to, maker.trying, maker.record = None, False, TrackRecord()
        self.reconcile_all(reversed(self.makers))
        assert before <= {each.key for each in self.makers if each.trying}, "who was connected goes on"

    # --- the operator

    def one(self, data: st.DataObject) -> Maker | None:
        there = [each for each in self.makers if not each.deleted]
        return data.draw(st.sampled_from(there)) if there else None

    def note(self, maker: Maker, failure: Reason | None) -> None:
        is_up = maker.connected_to is not None
        maker.record.note(
            wanted=maker.host,
            in_use=maker.connected_to,
            reason=Reason.CONNECTED if is_up else failure or Reason.CONNECTING,
            rotation=failure if is_up else None,
            now=self.now,
        )

    def reconcile_all(self, makers: Iterable[Maker] | None = None) -> None:
        """Each enters or leaves; then all that concerns anybody is decided once more, as enqueued ones are."""
        up = {each.key: each.host for each in self.makers if each.connected_to == each.host}
        for maker in makers or self.makers:
            maker.record.begin(maker.status)
            wanted = not (maker.suspended or maker.deleted)
            if wanted and (maker.has_secret or maker.connected_to or maker.trying):
                self.claims.enter(
                    ThingClaim(
                        maker.key,
                        "t",
                        maker.host,
                        (maker.certificate,),
                        (str(maker.age), maker.key.name),
                    )
                )
            else:
                self.claims.withdraw(maker.key)
        claims = self.claims.of_thing("t")
        ranks = {each.key: each.record.rank(each.host, now=self.now) for each in self.makers}
        self.waits_for = decide(claims, ranks, BY_HOST)
        for maker in self.makers:
            maker.trying = maker.key in self.waits_for and self.waits_for[maker.key] is None
            if not maker.trying:
                maker.connected_to = None
                if not maker.has_secret:
                    self.claims.withdraw(maker.key)
        self.check_none_was_ended_for_less(up)

    def check_none_was_ended_for_less(self, up: dict[ObjectKey, str]) -> None:
        """A session that is up ends for its own Thing's sake, or for one that is up as well."""
        of = {maker.key: maker for maker in self.makers}
        for key, host in up.items():
            holder = self.waits_for.get(key)
            if holder is not None and of[key].host == host:
                assert of[holder].record.proven == of[holder].host

    @invariant()
    def one_session_a_thing(self) -> None:
        trying = [each for each in self.claims.of_thing("t") if self.waits_for[each.key] is None]
        for number, one in enumerate(trying):
            assert not any(BY_HOST.same_thing(one, other) for other in trying[number + 1 :])

    @invariant()
    def who_asks_for_nothing_holds_nothing(self) -> None:
        claimed = {each.key for each in self.claims.of_thing("t")}
        for maker in self.makers:
            if maker.suspended or maker.deleted or not (maker.has_secret or maker.trying):
                assert maker.key not in claimed

    @invariant()
    def who_is_alone_waits_for_nobody(self) -> None:
        claims = self.claims.of_thing("t")
        for one in claims:
            alone = not any(other != one and BY_HOST.same_thing(one, other) for other in claims)
            assert not alone or self.waits_for[one.key] is None


Rivals.TestCase.settings = settings(max_examples=200, stateful_step_count=25, deadline=None)
TestRivals = Rivals.TestCase
