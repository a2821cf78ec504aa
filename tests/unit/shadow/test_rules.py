"""The table of the shadow service's rules against the pure service."""

import json

import pytest
from tests.fixtures.shadow_rules import RULES, Dialogue, Heard, Rule, Step

from thing_operator.shadow.service import Options, ShadowRequest, ShadowService
from thing_operator.shadow.topics import Operation

NOW = 1_790_000_000.0


@pytest.mark.parametrize("rule", [pytest.param(each, id=f"{each.id} ({each.source})") for each in RULES])
def test_rule(rule: Rule) -> None:
    service = ShadowService(lambda: NOW, Options(requests_per_second=None))
    dialogue = Dialogue(rule)
    for number, step in enumerate(rule.steps):
        sent = step.payload(f"step-{number}") if step.body is not None else b""
        dialogue.check(step, sent, _ask(service, step, sent))


def _ask(service: ShadowService, step: Step, sent: bytes) -> Heard:
    outcome = service.handle(ShadowRequest("t", None, step.operation, sent))
    after = service.handle(ShadowRequest("t", None, Operation.GET))
    return Heard(
        code=outcome.code,
        answer=json.loads(outcome.payload),
        seen={each.topic.rpartition("/")[2]: json.loads(each.payload) for each in outcome.publications},
        after=json.loads(after.payload) if after.accepted else None,
    )
