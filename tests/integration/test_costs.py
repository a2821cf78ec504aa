"""What 300 Things cost in writes, sessions and messages; time and memory are the bench's matter."""

import asyncio
from pathlib import Path

import pytest
from tests.support.bare_api import Api
from tests.support.cloud import Things
from tests.support.operator import OperatorProcess
from tests.support.thing_objects import make_objects, raised_budgets
from tests.support.watching import CloudWatch, ThingsWatch

from thing_operator_local.cloud.client import LocalCloud
from thing_operator_local.cloud.control import CloudControl
from thing_operator_local.controlplane import ControlPlane

SIZE = 300
NAMESPACE = "costs"
WITHIN = 100.0
QUIET = 1.0


def reconciles(operator: OperatorProcess) -> float:
    """Reconciles of Things so far: one opens the session, one finds it up and sends."""
    return sum(
        count
        for (name, *labels), count in operator.scrape().items()
        if name == "reconcile_seconds_count" and labels[0] == "things"
    )


@pytest.mark.slow
@pytest.mark.timeout(300)
async def test_three_hundred_things_cost_two_writes_one_session_and_two_messages_each(
    control_plane: ControlPlane, cloud: LocalCloud, things: Things, tmp_path: Path
) -> None:
    made = things(SIZE)
    names = [thing.name for thing in made]
    operator = OperatorProcess(plane=control_plane, cloud=cloud, namespace=NAMESPACE, folder=tmp_path)
    operator.settings |= raised_budgets(SIZE)
    requests = CloudWatch(cloud)
    await requests.open()
    async with Api(control_plane.kubeconfig) as api:
        await make_objects(api, NAMESPACE, made)
        watch = ThingsWatch(api, NAMESPACE)
        await watch.start(names)
        try:
            operator.start()
            await watch.until(lambda: len(watch.ready) == SIZE, "all are Ready", timeout=WITHIN)
            await watch.until_quiet(seconds=QUIET)
            assert watch.writes == dict.fromkeys(names, 2)
            assert requests.reads == dict.fromkeys(names, 1)
            assert requests.updates == dict.fromkeys(names, 1)
            assert await asyncio.to_thread(reconciles, operator) == 2 * SIZE
            sessions = await asyncio.to_thread(CloudControl(cloud.folder).sessions)
            ours = [each for each in sessions if each["clientId"] in watch.alive]
            assert len(ours) == SIZE
            assert {len(each["subscriptions"]) for each in ours} == {7}

            await asyncio.to_thread(operator.stop)
            watch.reset()
            requests.reads.clear()
            operator.start()
            await watch.until(lambda: len(requests.reads) == SIZE, "all sessions are back", timeout=WITHIN)
            await watch.until_quiet(seconds=QUIET)
            assert not watch.writes
            assert requests.reads == dict.fromkeys(names, 1)
            assert requests.updates == dict.fromkeys(names, 1)
        finally:
            await asyncio.to_thread(operator.stop)
            await watch.stop()
            await requests.close()
