"""A proxy between the operator and the brokers, as a user of Things sees it."""

from pathlib import Path
from urllib.request import urlopen

from tests.support.background import background_loop
from tests.support.cloud import Things
from tests.support.operator import Workspace
from tests.support.polling import eventually
from tests.support.proxy import Socks5Proxy

PASSWORD = "open-sesame-73"
QUICK = {
    "THING_OPERATOR_SESSION__MIN_RECONNECT_INTERVAL": "1s",
    "THING_OPERATOR_SESSION__MAX_BACKOFF": "2s",
    "THING_OPERATOR_SESSION__DISCONNECT_GRACE": "1s",
}


def test_a_thing_is_ready_through_a_proxy_whose_password_is_nowhere(
    workspace: Workspace, things: Things, tmp_path: Path
) -> None:
    (thing,) = things(1)
    file = tmp_path / "password"
    file.write_text(f"{PASSWORD}\n")
    proxy = Socks5Proxy(workspace.cloud.info.mqtt_port, login=("plant", PASSWORD))
    with background_loop() as wait:
        wait(proxy.__aenter__())
        workspace.operator.stop()
        workspace.operator.settings |= QUICK | {
            "THING_OPERATOR_SESSION__PROXY": proxy.url_of_user,
            "THING_OPERATOR_SESSION__PROXY_PASSWORD_FILE": str(file),
            "THING_OPERATOR_LOG__LEVEL": "debug",
        }
        workspace.operator.start()
        workspace.store_credentials(thing)
        name = workspace.apply_thing(thing, {"desired": {"setpoint": -18}})
        workspace.wait_for(name, "Ready")
        assert workspace.desired(thing) == {"setpoint": -18}
        info = workspace.cloud.info
        assert set(proxy.asked) == {f"{info.mqtt_host}:{info.mqtt_port}"}
        file.write_text("another\n")
        wait(_cut(proxy))

        def refused() -> bool:
            return "does not take the credentials" in workspace.condition(name, "Connected")["message"]

        eventually(refused, "the condition says what the proxy answered")
        assert workspace.condition(name, "Connected")["reason"] == "EndpointUnreachable"
        file.write_text(PASSWORD)
        workspace.wait_for(name, "Connected")
        with urlopen(f"http://127.0.0.1:{workspace.operator.metrics_port}/metrics") as answer:
            metrics = answer.read().decode()
        wait(proxy.__aexit__())
    texts = [workspace.operator.log.read_text(), metrics, str(workspace.list("things"))]
    assert not any(PASSWORD in text for text in [*texts, str(workspace.list("events"))])


async def _cut(proxy: Socks5Proxy) -> None:
    proxy.cut()
