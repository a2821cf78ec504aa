"""A shadow service in memory that has one document, and a session that is up with it."""

from typing import Any

from tests.support.polling import until
from tests.unit.session.fakes import (
    FakeBroker,
    FakeTransport,
    Sent,
    Watcher,
    spec,
)

from thing_operator.session import (
    Hub,
    Session,
)


def state(version: int, **reported: Any) -> dict[str, Any]:
    """A document as the service writes it."""
    return {"state": {"reported": reported}, "metadata": {}, "version": version, "timestamp": version}


def documents(version: int, **reported: Any) -> dict[str, Any]:
    """The body of update/documents."""
    return {"previous": None, "current": state(version, **reported), "timestamp": version}


def answer_get(version: int, **reported: Any) -> Any:
    """A shadow service that has one document and accepts every update as the next version."""
    current = [version]

    def answer(transport: FakeTransport, sent: Sent) -> None:
        token = {"clientToken": sent.body.get("clientToken")}
        if sent.topic.endswith("/get"):
            transport.deliver("get/accepted", state(current[0], **reported) | token)
        elif sent.topic.endswith("/update"):
            current[0] += 1
            body = {"state": sent.body["state"], "metadata": {}, "version": current[0], "timestamp": 1}
            transport.deliver("update/accepted", body | token)

    return answer


async def ready(broker: FakeBroker, the_hub: Hub, **kwargs: Any) -> Session:
    """A session that is up."""
    session = the_hub.open(spec(**kwargs), Watcher())
    await until(lambda: session.view.connected, timeout=600)
    return session
