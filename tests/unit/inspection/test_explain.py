"""Why a Thing is as it is, and what to do next."""

from datetime import UTC, datetime

import pytest
from tests.unit.inspection.objects import SHADOW, Json, body, condition, not_seen

from thing_operator.core.reason_table import explanations
from thing_operator.inspection.explain import ThingContext, explain
from thing_operator.inspection.model import GroupView, LinkHealth, MemberHealth, MemberView, ThingExplanation

NOTHING = ThingContext()


def said(found: ThingExplanation) -> dict[str, str]:
    return {step.name: step.health.value for step in found.steps}


def group(*healths: MemberHealth) -> GroupView:
    members = tuple(
        MemberView(name=str(number), identity=str(number), health=health, held=1, shards="0")
        for number, health in enumerate(healths)
    )
    return GroupView(namespace="ops", name="thing-operator", shards=256, held=256, members=members)


def test_of_a_thing_that_is_well_there_is_nothing_to_do() -> None:
    found = explain(body(shadow=SHADOW), NOTHING)
    assert set(said(found).values()) == {"Good"}
    assert list(said(found)) == ["operator", "Secret", "session", "policy", "quota", "shadow", "device"]
    assert (found.cause, found.page, found.is_ready) == (None, None, True)
    assert found.next_step == "Nothing: it is as it should be."


def test_a_thing_that_desires_nothing_is_well_without_a_shadow() -> None:
    found = explain(body(), NOTHING)
    assert (set(said(found).values()), found.cause) == ({"Good"}, None)
    assert found.next_step == "Nothing: it is as it should be."


def broken(*conditions: Json) -> ThingExplanation:
    return explain(body(*conditions, shadow=SHADOW), NOTHING)


def test_the_first_step_that_fails_says_what_to_do() -> None:
    found = broken(
        condition("CredentialsValid", "False", "SecretNotFound"),
        condition("Connected", "False", "Pending"),
        condition("Ready", "False", "SecretNotFound"),
    )
    assert said(found)["Secret"] == "Failed"
    assert found.cause == "SecretNotFound"
    assert "spec.credentials.secretName" in found.next_step
    assert found.page == "docs/troubleshooting.md#secretnotfound"


@pytest.mark.parametrize(
    ("step", "conditions"),
    [
        ("policy", [condition("Connected", "False", "NotAuthorized")]),
        ("policy", [condition("Ready", "False", "Rejected") | {"message": "refused: 403 Forbidden"}]),
        ("quota", [condition("Ready", "False", "Rejected") | {"message": "refused: 413 too large"}]),
        ("quota", [condition("Ready", "False", "SpecTooLarge")]),
    ],
)
def test_a_policy_and_a_quota_have_steps_of_their_own(step: str, conditions: list[Json]) -> None:
    failed = {name for name, health in said(broken(*conditions)).items() if health == "Failed"}
    assert step in failed
    assert ({"policy", "quota"} - {step}) & failed == set()


def test_a_mirror_that_is_cut_off_is_of_the_quota() -> None:
    thing = body(shadow=SHADOW)
    thing["status"]["conditions"].append(condition("MirrorTruncated", "True", "ReportedTooLarge"))
    found = explain(thing, NOTHING)
    assert (said(found)["quota"], found.cause) == ("Failed", "ReportedTooLarge")


def test_before_the_session_is_up_less_is_known() -> None:
    found = explain(body(condition("Connected", "Unknown", "FromTheFuture")), NOTHING)
    assert (said(found)["policy"], said(found)["quota"]) == ("Unknown", "Unknown")
    assert found.cause == "FromTheFuture"
    assert found.next_step == "Wait: the message of FromTheFuture."


def test_without_an_operator_that_comes_first() -> None:
    found = explain(not_seen("new"), NOTHING)
    assert (said(found)["operator"], found.cause) == ("Failed", "NotSeen")
    assert "kubectl get pods" in found.next_step
    silent = ThingContext(groups=[group(MemberHealth.SILENT)])
    alive = ThingContext(groups=[group(MemberHealth.ALIVE, MemberHealth.SILENT)])
    assert said(explain(body(generation=4, shadow=SHADOW), NOTHING))["operator"] == "Waiting"
    assert said(explain(body(generation=4, shadow=SHADOW), silent))["operator"] == "Failed"
    found = explain(body(generation=4, shadow=SHADOW), alive)
    assert found.steps[0].health is LinkHealth.WAITING
    assert found.steps[0].message.endswith("1 replica alive")


def test_a_secret_that_was_deleted_is_noticed_while_the_session_is_up() -> None:
    found = explain(body(shadow=SHADOW), ThingContext(secret_is_there=False))
    assert (found.cause, said(found)["Secret"]) == ("SecretNotFound", "Failed")
    assert said(explain(body(shadow=SHADOW), ThingContext(secret_is_there=True)))["Secret"] == "Good"


def test_the_newest_warnings_are_shown_and_what_may_not_be_seen() -> None:
    def event(number: int, kind: str = "Warning", **more: object) -> Json:
        return {"metadata": {}, "type": kind, "reason": f"R{number}", "message": "m"} | more

    events = [
        event(1, lastTimestamp="2026-11-01T01:00:00Z", count=5),
        event(2, "Normal", lastTimestamp="2026-11-01T09:00:00Z"),
        event(3, lastTimestamp="2026-11-01T03:00:00Z"),
        event(4),
        event(5, eventTime="2026-11-01T02:00:00.000000Z"),
    ]
    found = explain(body(shadow=SHADOW), ThingContext(events=events, notes=("no Leases",)))
    assert [(each.reason, each.count) for each in found.events] == [("R3", 1), ("R5", 1), ("R1", 5)]
    assert found.events[0].last == datetime(2026, 11, 1, 3, tzinfo=UTC)
    assert found.notes == ("no Leases",)
    assert explain(body(), ThingContext(events=[event(4)])).events[0].last is None


def test_no_next_step_has_markup() -> None:
    for row in explanations():
        found = broken(condition("CredentialsValid", "False", row.reason))
        assert "](" not in found.next_step
        assert "`" not in found.next_step
