"""Two hundred random troubles with the API server, one after the other and over each other: all is well in the end.

THING_OPERATOR_TEST_SEED chooses others; the seed of a run that fails is in its output.
"""

import os
import random
from collections.abc import Iterator

import pytest
from tests.integration.apiserver.chaos import ChangingFleet, Chaos
from tests.integration.apiserver.trouble import QUICK, await_ready, connections
from tests.support.cloud import Things
from tests.support.meddling_proxy import MeddlingProxy
from tests.support.operator import Workspace

from thing_operator_local.controlplane import ControlPlane

SEED = int(os.environ.get("THING_OPERATOR_TEST_SEED", "20261128"))
THINGS = 30
REPLACED = 3
"""Things that are deleted and recreated meanwhile, beside the others."""


@pytest.fixture
def fleet(meddled: Workspace, control_plane: ControlPlane, things: Things) -> Iterator[ChangingFleet]:
    """Ready Things, and a ThingBatch that waits for its zip."""
    meddled.operator.prelude = QUICK
    meddled.operator.settings["THING_OPERATOR_RESYNC_INTERVAL"] = "3s"
    with ChangingFleet(meddled, control_plane.kubeconfig, things(THINGS)) as made:
        meddled.operator.start()
        made.await_caught_up()
        yield made


@pytest.mark.timeout(600)
def test_no_trouble_ends_a_session_or_is_left_over(
    fleet: ChangingFleet,
    meddled: Workspace,
    proxy: MeddlingProxy,
    control_plane: ControlPlane,
    things: Things,
) -> None:
    print(f"THING_OPERATOR_TEST_SEED={SEED}")
    before = connections(meddled)
    assert len(before) == THINGS
    fleet.add_replaced(things(REPLACED))
    fleet.await_caught_up()
    Chaos(random.Random(SEED), proxy=proxy, plane=control_plane, fleet=fleet).run()
    fleet.await_caught_up()
    await_ready(meddled)
    meddled.operator.check_running()
    after = connections(meddled)
    assert before <= after
    assert len(after) == THINGS + REPLACED
    assert fleet.set_back() == []
