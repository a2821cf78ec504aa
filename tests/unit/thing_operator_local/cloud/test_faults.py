"""Which answers a fault touches, and for how long."""

import pytest
from pydantic import ValidationError

from thing_operator.shadow.topics import ShadowTopics
from thing_operator_local.cloud.faults import Action, Fault, Faults
from thing_operator_local.cloud.shadow_service import Publication, ShadowRequest
from thing_operator_local.cloud.shadow_topics import ShadowMessage, ShadowOperation

TOPICS = ShadowTopics("t1")
UPDATE = ShadowRequest("t1", None, ShadowOperation.UPDATE)
GET = ShadowRequest("t1", None, ShadowOperation.GET)
DELTA, DOCUMENTS, ACCEPTED = (
    Publication(topic, b"")
    for topic in (TOPICS.update_delta, TOPICS.update_documents, TOPICS.update_accepted)
)
ANSWER = (DELTA, DOCUMENTS, ACCEPTED)


@pytest.mark.parametrize(
    ("fault", "due"),
    [
        (Fault(action=Action.DROP), []),
        (Fault(action=Action.DROP, kinds=frozenset({ShadowMessage.DELTA})), [(0, DOCUMENTS), (0, ACCEPTED)]),
        (
            Fault(action=Action.DELAY, kinds=frozenset({ShadowMessage.ACCEPTED}), seconds=2),
            [(0, DELTA), (0, DOCUMENTS), (2, ACCEPTED)],
        ),
        (
            Fault(action=Action.DUPLICATE, kinds=frozenset({ShadowMessage.DOCUMENTS})),
            [(0, DELTA), (0, DOCUMENTS), (0, DOCUMENTS), (0, ACCEPTED)],
        ),
        (Fault(action=Action.REORDER), [(0, ACCEPTED), (0, DOCUMENTS), (0, DELTA)]),
        (Fault(action=Action.REJECT), [(0, DELTA), (0, DOCUMENTS), (0, ACCEPTED)]),
        (Fault(action=Action.DROP, thing="other"), [(0, DELTA), (0, DOCUMENTS), (0, ACCEPTED)]),
        (
            Fault(action=Action.DROP, operation=ShadowOperation.GET),
            [(0, DELTA), (0, DOCUMENTS), (0, ACCEPTED)],
        ),
    ],
)
def test_shape(fault: Fault, due: list[tuple[float, Publication]]) -> None:
    faults = Faults()
    faults.add(fault)
    assert faults.shape(UPDATE, ANSWER) == due


def test_count_is_of_requests_that_match() -> None:
    faults = Faults()
    faults.add(Fault(action=Action.REJECT, operation=ShadowOperation.UPDATE, count=2, code=429))
    assert [faults.refusal(each) for each in (GET, UPDATE, GET, UPDATE, UPDATE)] == [
        None,
        429,
        None,
        429,
        None,
    ]


def test_several_apply_in_the_order_of_their_making() -> None:
    faults = Faults()
    faults.add(Fault(action=Action.DUPLICATE, kinds=frozenset({ShadowMessage.ACCEPTED})))
    faults.add(Fault(action=Action.DELAY, kinds=frozenset({ShadowMessage.ACCEPTED}), seconds=1))
    assert faults.shape(UPDATE, (ACCEPTED,)) == [(1, ACCEPTED), (1, ACCEPTED)]


def test_clear() -> None:
    faults = Faults()
    faults.add(Fault(action=Action.DROP))
    faults.add(Fault(action=Action.REJECT))
    faults.clear()
    assert faults.refusal(UPDATE) is None
    assert faults.shape(UPDATE, ANSWER) == [(0, each) for each in ANSWER]


@pytest.mark.parametrize(
    "body", ['{"action":"explode"}', "{}", '{"action":"drop","count":0}', '{"action":"drop","typo":1}']
)
def test_malformed_ones_are_refused(body: str) -> None:
    with pytest.raises(ValidationError):
        Fault.model_validate_json(body)
