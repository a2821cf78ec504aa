"""What is said of Things as the API server has them."""

import pytest
from tests.unit.inspection.objects import SHADOW, Json, body, condition, not_seen

from thing_operator.inspection.deciding import fleet_of, rows_of, view_of
from thing_operator.inspection.model import LinkHealth, ThingView, ValueRow


def healths(view: ThingView) -> list[LinkHealth]:
    return [link.health for link in view.chain]


def test_a_thing_that_is_well_is_said_in_facts() -> None:
    view = view_of(
        body(
            thingName="00001721",
            certificate={
                "secretName": "thing-00001721",
                "fingerprint": "f",
                "notBefore": "2026-01-01T00:00:00Z",
                "notAfter": "2049-12-31T00:00:00Z",
            },
            endpoint={"host": "broker", "port": 8883},
            shadow=SHADOW,
        )
    )
    assert (view.is_ready, view.thing_name, view.notes) == (True, "00001721", ())
    assert [f"{link.name}: {link.message}" for link in view.chain] == [
        "Secret: thing-00001721, valid until 2049-12-31",
        "session: broker:8883",
        "shadow: version 7, 340 bytes, has accepted the desired state",
        "device: has reported every desired value",
    ]


def test_of_a_networked_child_it_is_said_whose_certificate_and_session_are_used() -> None:
    child = body(spec={"parentRef": {"name": "hub-1"}}, endpoint={"host": "broker", "port": 8883})
    assert [link.message for link in view_of(child).chain][:2] == [
        "that of its parent, Thing hub-1",
        "broker:8883, by that of its parent, Thing hub-1",
    ]
    orphan = body(condition("CredentialsValid", "Unknown", "Unknown"), spec={"parentRef": {"name": "hub-1"}})
    assert view_of(orphan).chain[0].message == "the message of Unknown"


def test_less_is_known_of_what_has_just_begun() -> None:
    view = view_of(body())
    assert [link.message for link in view.chain][:3] == [
        "certificate and key are valid",
        "the session is up",
        "has accepted the desired state",
    ]
    assert view.notes == ("nothing of the shadow is in the status yet",)


def test_where_the_chain_breaks_its_condition_speaks() -> None:
    broken = [
        condition("CredentialsValid", "False", "SecretNotFound"),
        condition("Ready", "False", "SecretNotFound"),
    ]
    waiting = [condition("Connected", "False", "Pending"), condition("InSync", "Unknown", "Unknown")]
    view = view_of(body(*broken, *waiting))
    assert not view.is_ready
    assert healths(view) == [LinkHealth.FAILED, LinkHealth.WAITING, LinkHealth.FAILED, LinkHealth.UNKNOWN]
    assert view.chain[0].message == "the message of SecretNotFound"
    assert str(view.chain[0].since) == "2026-11-01 10:00:00+00:00"


@pytest.mark.parametrize("kind", ["CredentialsValid", "Connected"])
def test_a_shadow_that_has_accepted_the_spec_stands_while_a_link_before_it_is_broken(kind: str) -> None:
    broken = [condition(kind, "False", "NotAuthorized"), condition("Ready", "False", "NotAuthorized")]
    accepted: Json = {"acceptedGeneration": 3, "acceptedTime": "2026-11-01T07:00:00Z"}
    link = view_of(body(*broken, shadow=SHADOW, **accepted)).chain[2]
    assert (link.health, link.reason) == (LinkHealth.GOOD, "Accepted")
    assert link.message == "version 7, 340 bytes, has accepted the desired state"
    assert str(link.since) == "2026-11-01 07:00:00+00:00"
    edited = view_of(body(*broken, shadow=SHADOW, **accepted | {"acceptedGeneration": 2})).chain[2]
    assert edited.health is LinkHealth.FAILED


def test_of_a_suspended_thing_shadow_and_device_are_said_to_be_of_before() -> None:
    links = view_of(body(condition("Connected", "False", "Suspended"), shadow=SHADOW)).chain[2:]
    assert [link.health for link in links] == [LinkHealth.GOOD, LinkHealth.GOOD]
    assert [link.message for link in links] == ["the message of Accepted", "the message of Converged"]


def test_what_only_ready_says_is_said_by_the_shadow() -> None:
    refused = condition("Ready", "False", "Rejected")
    link = view_of(body(refused, shadow=SHADOW, acceptedGeneration=3)).chain[2]
    assert (link.health, link.message) == (LinkHealth.FAILED, "the message of Rejected")


def test_a_sleeping_device_is_no_failure_and_an_ending_certificate_is_shown() -> None:
    view = view_of(
        body(
            condition("InSync", "False", "DeltaPending"), condition("CredentialsValid", "True", "ExpiresSoon")
        )
    )
    assert healths(view) == [LinkHealth.GOOD, LinkHealth.GOOD, LinkHealth.GOOD, LinkHealth.WAITING]
    assert view.chain[0].message == "the message of ExpiresSoon"


def test_what_nobody_has_seen_says_so_without_a_time() -> None:
    view = view_of(not_seen("a"))
    assert healths(view) == [LinkHealth.UNKNOWN] * 4
    assert "is one running" in view.chain[2].message
    assert [link.since for link in view.chain] == [None] * 4


def test_a_new_generation_is_waited_for() -> None:
    link = view_of(body(generation=4)).chain[2]
    assert link.health is LinkHealth.WAITING
    assert link.message.startswith(
        "generation 4 of the spec has not been seen yet; this is of generation 3: "
    )


def test_desired_values_are_beside_the_reported_ones() -> None:
    spec = {"desired": {"setpoint": -20, "mode": "auto", "door": {"lock": True}, "none": None, "new": {}}}
    delta = {"setpoint": -20, "door": {"lock": True}, "theirs": [1], "new": {"x": 1}}
    shadow = SHADOW | {"reported": {"setpoint": -18, "mode": "auto"}, "delta": delta}
    view = view_of(body(condition("InSync", "False", "DeltaPending", hour=9), spec=spec, shadow=shadow))
    rows = [
        (row.pointer, row.desired, row.reported, row.is_reported, row.pending_since is not None)
        for row in view.values
    ]
    assert rows == [
        ("/setpoint", -20, -18, True, True),
        ("/mode", "auto", "auto", True, False),
        ("/door/lock", True, None, False, True),
        ("/new", {}, None, False, True),
        ("/theirs", [1], None, False, True),
    ]
    assert str(view.values[0].pending_since) == "2026-11-01 09:00:00+00:00"


@pytest.mark.parametrize("mirror", [{"reported": "None"}, {"reported": "Paths", "paths": ["/a"]}])
def test_what_is_not_mirrored_is_said_not_to_be_seen(mirror: Json) -> None:
    view = view_of(body(spec={"mirror": mirror}, shadow=SHADOW))
    assert view.notes == ("reported values are shown as far as spec.mirror has them copied into the status",)


def test_a_fleet_is_counted_by_reason_with_the_oldest_problem() -> None:
    late = condition("Ready", "False", "SecretNotFound", hour=11)
    early = condition("Ready", "False", "SecretNotFound", hour=8)
    suspended = condition("Ready", "False", "Suspended", hour=1)
    offline = condition("Connected", "False", "Timeout")
    fleet = fleet_of(
        [
            body(name="a"),
            body(offline, name="b"),
            body(late, name="c"),
            body(early, name="d"),
            body(suspended, name="e"),
            body(condition("InSync", "False", "DeltaPending"), name="f"),
        ]
    )
    assert (fleet.total, fleet.ready, fleet.connected, fleet.in_sync) == (6, 3, 5, 5)
    assert [(each.ready, each.reason, each.count, each.oldest.name) for each in fleet.reasons] == [
        ("True", "Accepted", 3, "a"),
        ("False", "SecretNotFound", 2, "d"),
        ("False", "Suspended", 1, "e"),
    ]
    assert fleet.oldest_problem is not None
    assert (fleet.oldest_problem.name, fleet.oldest_problem.message) == ("d", "the message of SecretNotFound")


def test_what_nobody_has_seen_is_a_problem_since_it_was_created() -> None:
    fleet = fleet_of([not_seen("a"), body(name="b") | {"status": {}}])
    assert fleet.oldest_problem is not None
    assert str(fleet.oldest_problem.since) == "2026-11-01 00:00:00+00:00"
    assert [(each.reason, each.count) for each in fleet.reasons] == [("NotSeen", 2)]
    assert fleet_of([]).oldest_problem is None


def test_the_json_form_keeps_what_people_have_named() -> None:
    row = ValueRow(pointer="/a", desired={"snake_case": None, "b": 1})
    assert row.to_wire() == {"pointer": "/a", "desired": {"snake_case": None, "b": 1}, "isReported": False}


def test_a_table_of_many_has_what_is_wrong_first_and_the_oldest_of_that() -> None:
    rows = rows_of(
        [
            body(name="good", shadow=SHADOW | {"pendingCount": 2, "reportedTime": "2026-11-01T09:00:00Z"}),
            body(condition("Ready", "False", "Suspended", hour=1), name="asleep"),
            body(condition("Ready", "False", "Expired", hour=11), name="late"),
            body(condition("Ready", "False", "Expired", hour=8), name="early"),
            not_seen("new"),
            body(name="also-good") | {"status": {}},
        ]
    )
    assert [row.name for row in rows] == ["early", "late", "also-good", "new", "asleep", "good"]
    good = rows[-1]
    assert (good.ready, good.connected, good.in_sync, good.pending) == ("True", "True", "True", 2)
    assert str(good.reported_time) == "2026-11-01 09:00:00+00:00"
    assert (rows[2].connected, rows[2].reason) == ("Unknown", "NotSeen")
