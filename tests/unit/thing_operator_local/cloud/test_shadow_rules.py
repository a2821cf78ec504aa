"""The table of the shadow service's rules against the pure service."""

import json

import pytest
from tests.support.shadow_dialogue import Observed, Rule, Step
from tests.support.shadow_rules import RULES

from thing_operator_local.cloud.shadow_service import ShadowOptions, ShadowRequest, ShadowService
from thing_operator_local.cloud.shadow_topics import ShadowOperation

NOW = 1_790_000_000.0


@pytest.mark.parametrize("rule", RULES, ids=str)
def test_rule(rule: Rule) -> None:
    service = ShadowService(lambda: NOW, ShadowOptions(requests_per_second=None))

    def ask(step: Step, sent: bytes) -> Observed:
        outcome = service.handle(ShadowRequest("t", None, step.operation, sent))
        after = service.handle(ShadowRequest("t", None, ShadowOperation.GET))
        return Observed(
            code=outcome.code,
            answer=json.loads(outcome.payload),
            seen={each.topic.rpartition("/")[2]: json.loads(each.payload) for each in outcome.publications},
            after=json.loads(after.payload) if after.accepted else None,
        )

    rule.hold(ask)
