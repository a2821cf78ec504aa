"""Nothing is judged for good: what ends each reason of a Thing, and that it ends without a touch or a restart.

The stages, the queue and the status writer are the real ones; the API server, the session and time are not.
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest
from tests.support.clock import FakeClock, loop_time
from tests.support.pki import ec_key, ec_pair, encrypted, key_pem, make_certificate, rsa_key
from tests.support.polling import until
from tests.unit.things.scene import (
    KEY,
    NEW_CA,
    OLD_CA,
    SOON,
    WITHOUT_SECRET,
    ThingScene,
    good_secret,
    running,
    secret,
)

from thing_operator.core.backoff import RECHECK
from thing_operator.core.reason_table import Carrier, explanations
from thing_operator.core.reasons import Reason
from thing_operator.core.resource import Resource
from thing_operator.kube.errors import DeniedObjectError, ForbiddenError, InvalidObjectError, NotFoundError
from thing_operator.kube.resources import CONFIG_MAPS, SECRETS
from thing_operator.kube.snapshot import SPEC_LIMIT
from thing_operator.things import publisher, registry

MINUTES = RECHECK + SOON
Change = Callable[[ThingScene], object]


def nothing(_scene: ThingScene) -> None:
    """All is as it was."""


@dataclass(frozen=True)
class RecheckRow:
    """How a reason begins before the Thing is applied, or after it is Ready (``later``), and what ends it.

    ``within``: how long after that all is well.
    """

    reason: Reason
    begin: Change
    end: Change
    by: str
    spec: Mapping[str, Any] = field(default_factory=dict)
    later: Change = nothing
    within: timedelta = MINUTES


def answer(resource: Resource, given: Any) -> Change:
    return lambda scene: scene.answers.__setitem__(resource, given)


def session_trouble(reason: Reason | None) -> Change:
    def begin(scene: ThingScene) -> None:
        scene.trouble = lambda _spec: reason

    return begin


def session_recovers(scene: ThingScene) -> None:
    scene.trouble = lambda _spec: None
    scene.report()


def secrets() -> list[RecheckRow]:
    """What is wrong with a Secret ends with it, also where the watch has not shown the change."""
    ends = FakeClock().now() - timedelta(days=1)
    weak = rsa_key(1024)
    pair, key = ec_pair(), ec_key()
    bad: dict[Reason, Any] = {
        Reason.SECRET_NOT_FOUND: NotFoundError("404"),
        Reason.API_SERVER_REFUSED: InvalidObjectError("422"),
        Reason.EXPIRED: secret(make_certificate(key, not_after=ends), key_pem(key)),
        Reason.KEY_MISSING: {"data": {}},
        Reason.INVALID_PEM: secret(b"no PEM", b"no PEM"),
        Reason.CHAIN_TOO_LONG: secret(pair.certificate * 11, pair.private_key),
        Reason.KEY_MISMATCH: secret(pair.certificate, ec_pair().private_key),
        Reason.WEAK_KEY: secret(make_certificate(weak.public_key()), key_pem(weak)),
        Reason.ENCRYPTED_KEY: secret(make_certificate(key), key_pem(key, encryption=encrypted())),
    }
    rows = [
        RecheckRow(reason, answer(SECRETS, what), answer(SECRETS, good_secret()), "slow timer")
        for reason, what in bad.items()
    ]
    forbidden = answer(SECRETS, ForbiddenError("403"))
    granted = answer(SECRETS, good_secret())
    rows.append(RecheckRow(Reason.FORBIDDEN, forbidden, granted, "timer", within=timedelta(seconds=32)))
    begins = FakeClock().now() + timedelta(minutes=1)
    later = secret(make_certificate(key, not_before=begins), key_pem(key))
    rows.append(
        RecheckRow(
            Reason.NOT_YET_VALID, answer(SECRETS, later), nothing, "moment", within=timedelta(seconds=61)
        )
    )
    return rows


def sessions() -> list[RecheckRow]:
    rows = [
        RecheckRow(reason, session_trouble(reason), session_recovers, "session's own tries", within=SOON)
        for reason in (
            *(Reason.CONNECTION_LOST, Reason.TAKEN_OVER, Reason.ENDPOINT_UNREACHABLE, Reason.CONNECTING),
            *(Reason.NOT_AUTHORIZED, Reason.MEMORY_BUDGET_EXCEEDED),
            *(Reason.MESSAGE_TOO_LARGE, Reason.MALFORMED_MESSAGES),
        )
    ]
    ca = {"endpoint": {"host": "broker", "caConfigMapName": "ca"}}

    def untrusted(scene: ThingScene) -> None:
        scene.trouble = lambda spec: Reason.TLS_FAILED if OLD_CA.strip() in spec.endpoint.ca.pem else None

    new_ca = answer(CONFIG_MAPS, {"data": {"ca.crt": NEW_CA}})
    missing = answer(CONFIG_MAPS, NotFoundError("404"))
    rows.append(RecheckRow(Reason.TLS_FAILED, untrusted, new_ca, "slow timer", spec=ca))
    large = answer(CONFIG_MAPS, {"data": {"ca.crt": NEW_CA * 51}})
    rows += [
        RecheckRow(reason, wrong, new_ca, "timer", spec=ca, within=timedelta(seconds=32))
        for reason, wrong in ((Reason.CA_NOT_FOUND, missing), (Reason.CA_TOO_LARGE, large))
    ]
    return rows


def requests() -> list[RecheckRow]:
    def refuse(code: int, count: int) -> Change:
        return lambda scene: scene.codes.extend([code] * count)

    def accept(scene: ThingScene) -> None:
        scene.codes.clear()

    def edit(scene: ThingScene) -> None:
        scene.sessions[0].foreign(desired={"a": 9})
        scene.report()

    def edit_twice(scene: ThingScene) -> None:
        edit(scene)
        scene.controller.queue.add(KEY, delay=timedelta(seconds=0.1))
        asyncio.get_running_loop().call_later(0.2, edit, scene)

    minutes = timedelta(minutes=2)
    return [
        RecheckRow(Reason.REJECTED, refuse(413, 99), accept, "slow timer"),
        RecheckRow(Reason.SHADOW_UNAVAILABLE, refuse(500, 99), accept, "backoff", within=minutes),
        RecheckRow(Reason.DRIFT_DETECTED, nothing, nothing, "pause", later=edit_twice, within=minutes),
    ]


def specs() -> list[RecheckRow]:
    """What is wrong with a spec ends with the spec, and that is an event."""
    bad: dict[Reason, Mapping[str, Any]] = {
        Reason.ENDPOINT_NOT_CONFIGURED: {"endpoint": None},
        Reason.ENDPOINT_NOT_ALLOWED: {"endpoint": {"host": "elsewhere"}},
        Reason.INVALID_SPEC: {"suspend": "perhaps"},
        Reason.SPEC_TOO_LARGE: {"desired": {"a": "x" * SPEC_LIMIT}},
        Reason.INVALID_DESIRED: {"desired": {"a": [None]}},
        Reason.INVALID_DEVICE: {"device": {"reported": {"a": [None]}}},
        Reason.SUSPENDED: {"suspend": True},
    }
    return [
        RecheckRow(reason, nothing, lambda scene: scene.submit({}), "spec", spec=spec, within=SOON)
        for reason, spec in bad.items()
    ]


def claims() -> list[RecheckRow]:
    def rival(scene: ThingScene) -> None:
        scene.submit({"thingName": KEY.name}, name="older", created="2026-01-01")

    def suspended(scene: ThingScene) -> None:
        scene.submit({"thingName": KEY.name, "suspend": True}, name="older", created="2026-01-01")

    def moved(scene: ThingScene) -> None:
        scene.submit(
            {"thingName": KEY.name, "endpoint": {"host": "elsewhere"}}, name="older", created="2026-01-01"
        )

    return [
        RecheckRow(Reason.DUPLICATE_THING, rival, suspended, "the other's suspend", within=SOON),
        RecheckRow(Reason.DUPLICATE_THING, rival, moved, "the other's end", within=SOON),
    ]


ROWS = [*secrets(), *sessions(), *requests(), *specs(), *claims()]

OF_NO_TROUBLE = {
    *(Reason.ACCEPTED, Reason.OBSERVED, Reason.VALID, Reason.CONNECTED, Reason.CONVERGED),
    *(Reason.EXPIRES_SOON, Reason.DELTA_PENDING),
}
BESIDE_ANOTHER = {
    Reason.NOT_SEEN: "none: what the API server creates an object with, until the first reconcile",
    **dict.fromkeys((Reason.PENDING, Reason.PROGRESSING, Reason.UNKNOWN), "CONNECTING, in Ready and InSync"),
    Reason.INTERNAL_ERROR: "of a fault of the operator's own, in a test of its own below",
    Reason.REPORTED_TOO_LARGE: "none: all is well but for the size",
    Reason.JOBS_UNAVAILABLE: "none: all is well but for jobs",
    **dict.fromkeys(
        (Reason.PARENT_MISSING, Reason.PARENT_NOT_READY, Reason.PARENT_IS_CHILD, Reason.PARENT_FULL),
        "of a networked child: test_families.py",
    ),
    Reason.NO_NUMBER: "none: all is well but for a metric",
    Reason.RETRYING: "as SHADOW_UNAVAILABLE, of a shadow that others write at the same moment",
}


@pytest.mark.parametrize("row", [pytest.param(row, id=f"{row.reason} by {row.by}") for row in ROWS])
async def test_what_is_amiss_ends_by_itself_and_costs_little_until_then(row: RecheckRow) -> None:
    async with running() as scene:
        row.begin(scene)
        scene.submit(row.spec)
        if row.later is not nothing:
            await until(scene.is_well)
            row.later(scene)
        await until(lambda: scene.carries(row.reason), timeout=5)
        assert not scene.is_well()
        row.end(scene)
        await until(scene.is_well, timeout=row.within.total_seconds())


def test_every_reason_of_a_thing_has_a_row() -> None:
    documented = {row.reason for row in explanations() if Carrier.THING in row.carriers}
    assert {row.reason for row in ROWS} | OF_NO_TROUBLE | BESIDE_ANOTHER.keys() == documented


@pytest.mark.parametrize(
    "row", [pytest.param(row, id=f"{row.reason} by {row.by}") for row in ROWS if row.later is nothing]
)
async def test_what_stays_amiss_is_no_loop_and_writes_nothing(row: RecheckRow) -> None:
    async with running() as scene:
        row.begin(scene)
        scene.submit(row.spec)
        await until(lambda: scene.carries(row.reason), timeout=5)
        if row.reason is Reason.NOT_YET_VALID:
            return  # it ends
        # A missing Secret is late for five minutes, then it is missing.
        await asyncio.sleep(timedelta(minutes=6).total_seconds())
        writes, reconciles = scene.writes, scene.reconciles
        await asyncio.sleep(timedelta(hours=1).total_seconds())
        assert scene.writes == writes
        looked_at = scene.reconciles - reconciles
        least, most = (0, 0) if row.reason is Reason.SUSPENDED else (5, 130)
        assert least <= looked_at <= max(most, 13)


async def test_a_thing_with_which_all_is_well_is_left_alone() -> None:
    async with running() as scene:
        scene.submit({})
        await until(scene.is_well)
        writes, reconciles = scene.writes, scene.reconciles
        await asyncio.sleep(timedelta(hours=2).total_seconds())
        assert (scene.writes, scene.reconciles) == (writes, reconciles)


async def test_a_policy_against_status_that_is_lifted_lets_a_new_thing_start() -> None:
    async with running() as scene:
        scene.refuses_status = DeniedObjectError("422 denied: only the platform team may change Things")
        scene.submit({})
        await asyncio.sleep(timedelta(minutes=1).total_seconds())
        assert scene.status == {}
        assert scene.sessions[0].sent == [], "nothing is sent that is not recorded"
        scene.refuses_status = None
        await until(scene.is_well, timeout=2 * MINUTES.total_seconds())
        assert scene.sessions[0].desired() == {"a": 1}


async def test_a_thing_that_cannot_be_reconciled_says_so_and_is_tried_again(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async with running() as scene:
        scene.submit({})
        await until(scene.is_well)
        managed = scene.status[KEY]["managedPaths"]

        def broken(*_arguments: Any, **_options: Any) -> None:
            raise OverflowError("a value that nobody is to see")

        with monkeypatch.context() as patched:
            patched.setattr(registry, "resolve", broken)
            scene.submit({"desired": {"a": 2}})
            await until(lambda: scene.carries(Reason.INTERNAL_ERROR), timeout=60)
            said, writes, reconciles = scene.said(), scene.writes, scene.reconciles
            assert said["Ready"] == ("False", "InternalError")
            assert said["Reconciling"] == ("True", "InternalError")
            assert said["Connected"] == ("True", "Connected")
            assert scene.status[KEY]["managedPaths"] == managed, "what is ours in the shadow is not forgotten"
            assert "unexpectedly (overflow error)" in str(scene.status)
            assert "nobody is to see" not in str(scene.status)
            await asyncio.sleep(timedelta(minutes=10).total_seconds())
            assert scene.writes == writes
            assert scene.reconciles >= reconciles + 5
        await until(scene.is_well, timeout=180)
    assert caplog.text.count("Traceback") == 1
    assert sum("failed unexpectedly" in record.message for record in caplog.records) == 1


async def test_what_was_accepted_is_said_though_the_reconcile_fails_after_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with running() as scene:
        scene.submit({})
        await until(scene.is_well)

        def broken(*_arguments: Any) -> None:
            raise OverflowError

        monkeypatch.setattr(publisher, "build_status", broken)
        scene.submit({"desired": {"a": 2}})
        await until(lambda: scene.carries(Reason.INTERNAL_ERROR), timeout=60)
        assert scene.sessions[0].desired() == {"a": 2}
        assert scene.status[KEY]["acceptedGeneration"] == scene.version


async def test_a_status_that_is_refused_is_said_in_a_smaller_one() -> None:
    async with running() as scene:
        scene.submit({})
        await until(scene.is_well)
        scene.refuses_large = InvalidObjectError("413 the request is too large")
        scene.submit({"desired": {"a": 2}})
        await until(lambda: scene.carries(Reason.API_SERVER_REFUSED), timeout=60)
        held = scene.status[KEY]
        assert "shadow" not in held
        assert held["managedPaths"] == ["/a"]
        assert held["acceptedGeneration"] == scene.version
        assert "413 the request is too large" in held["conditions"][0]["message"]
        writes = scene.writes
        await asyncio.sleep(timedelta(minutes=5).total_seconds())
        assert scene.writes <= writes + 2
        scene.refuses_large = None
        await until(scene.is_well, timeout=2 * MINUTES.total_seconds())
        assert "shadow" in scene.status[KEY]


async def test_a_shadow_that_others_change_without_end_gets_four_reconciles_a_second_and_not_one_a_message() -> (
    None
):
    async with running() as scene:
        scene.submit({})
        await until(scene.is_well)
        before = scene.reconciles
        for number in range(1000):
            scene.sessions[0].foreign(desired={"a": number + 2})
            scene.report()
            await asyncio.sleep(0.02)
        assert 20 <= scene.reconciles - before <= 8 + 4 * 20 + 5, "of a thousand messages in twenty seconds"
        began = loop_time()
        scene.submit({"desired": {"a": 2, "b": 3}})
        await until(lambda: scene.sessions[0].desired().get("b") == 3)
        assert loop_time() - began < 0.1, "what is in spec waits for none of it"
        await until(lambda: scene.sessions[0].desired() == {"a": 2, "b": 3}, timeout=120)


async def test_a_session_without_its_secret_writes_nothing_and_ends_when_its_time_is_over() -> None:
    async with running() as scene:
        scene.submit({})
        await until(scene.is_well)
        scene.answers[SECRETS] = NotFoundError("404")
        scene.things.registry.secrets_resynced()
        await until(lambda: scene.carries(Reason.SECRET_NOT_FOUND))
        (session,) = scene.sessions
        sent = len(session.sent)
        scene.submit({"desired": {"a": 2}})
        await until(lambda: scene.said()["Ready"] == ("False", "SecretNotFound"))
        assert len(session.sent) == sent
        assert scene.said()["Connected"] == ("True", "Connected")
        await until(lambda: scene.said()["Connected"] == ("False", "Pending"), timeout=WITHOUT_SECRET + 1)
        assert len(session.sent) == sent
        scene.answers[SECRETS] = good_secret()
        scene.things.registry.secrets_resynced()
        await until(scene.is_well)
        assert scene.sessions[-1].sent[-1] == {"a": 2}
