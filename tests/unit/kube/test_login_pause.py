"""A login that is refused is not handed out in a circle."""

import json
from pathlib import Path

from tests.support.clock import FakeClock, loop_time

from thing_operator.kube.client import KubeClient


async def test_who_is_refused_gets_the_next_login_at_once_and_those_after_it_ten_seconds_apart(
    tmp_path: Path,
) -> None:
    """kopf asks the API server again the moment it has a login, hundreds of times a second if it is let."""
    file = tmp_path / "kubeconfig"
    body = {
        "clusters": [{"name": "c", "cluster": {"server": "http://api.example"}}],
        "contexts": [{"name": "x", "context": {"cluster": "c"}}],
        "current-context": "x",
    }
    file.write_text(json.dumps(body), encoding="utf-8")
    clock = FakeClock(loop_time)
    client = await KubeClient.connect(kubeconfig=file, clock=clock)
    start, times = clock.monotonic(), []
    for _ in range(4):
        await client.login()
        times.append(round(clock.monotonic() - start))
    await client.close()
    assert times == [0, 0, 10, 20]
