"""What the tests of trouble with the API server do with their operator, and see of it."""

import json
from collections.abc import Callable
from urllib.error import HTTPError
from urllib.request import urlopen

import psutil
from tests.support.operator import Json, Workspace
from tests.support.polling import eventually

from thing_operator_local.cloud.client import CloudThing
from thing_operator_local.ports import LOOPBACK

QUICK = """
import datetime
from thing_operator.core import backoff
from thing_operator.login import login
from thing_operator.connections import session_slot
from thing_operator.twin import requeue
delay, most = backoff.Backoff.delay, datetime.timedelta(seconds=3)
backoff.Backoff.delay = lambda self, failures: min(delay(self, failures), most)
assert login.LOGIN_PAUSE and session_slot._READ_AGAIN and requeue._UNWATCHED_INTERVAL
login.LOGIN_PAUSE = session_slot._READ_AGAIN = requeue._UNWATCHED_INTERVAL = most / 3
"""
"""No pause before the next try, and none before the next check of what is amiss, is longer than three seconds."""

SETTINGS = {
    "THING_OPERATOR_SESSION__MIN_RECONNECT_INTERVAL": "1s",
    "THING_OPERATOR_SESSION__MAX_BACKOFF": "2s",
    "THING_OPERATOR_STATUS__MIN_INTERVAL": "200ms",
    # No comparison that mends things unseen, unless the test is about it.
    "THING_OPERATOR_RESYNC_INTERVAL": "1h",
}

Readiness = tuple[int, Json]
Another = Callable[..., Workspace]
"""Makes one more operator of the namespace, still to be started."""


def connections(workspace: Workspace) -> set[int]:
    """The operator's connections to the broker by their own ports: a session that ended has left, or changed its."""
    broker = workspace.cloud.info.mqtt_port
    processes = psutil.Process(workspace.operator.pid).children(recursive=True)
    return {
        found.laddr.port
        for process in processes
        for found in process.net_connections(kind="tcp")
        if found.raddr[1:] == (broker,) and found.status == psutil.CONN_ESTABLISHED
    }


def readyz(workspace: Workspace) -> Readiness:
    """Status and checks of the readiness probe; 0 while nobody listens."""
    try:
        with urlopen(f"http://{LOOPBACK}:{workspace.operator.health_port}/readyz", timeout=5) as answer:
            return answer.status, json.load(answer)["checks"]
    except HTTPError as error:
        return error.code, json.load(error)["checks"]
    except OSError:
        return 0, {}


def await_ready(workspace: Workspace) -> None:
    """Wait until readiness says that all is well."""
    eventually(lambda: readyz(workspace)[0] == 200, "the operator is ready")


def await_line(workspace: Workspace, text: str) -> None:
    """Wait until the operator's log has it."""
    log = workspace.operator.log
    eventually(lambda: text in log.read_text(errors="replace"), f"the log has {text!r}")


def start_things(workspace: Workspace, *things: CloudThing, **spec: object) -> None:
    """A Secret and a Thing for each; returns when they are Ready."""
    for thing in things:
        workspace.store_credentials(thing)
        workspace.apply_thing(thing, spec)
    for thing in things:
        workspace.wait_for(thing.name, "Ready")


def await_reported(workspace: Workspace, thing: CloudThing, reported: Json) -> None:
    """Wait until the status mirrors these values of the device, among others."""

    def mirrored() -> bool:
        found = workspace.get(thing.name)["status"].get("shadow", {}).get("reported") or {}
        return reported.items() <= found.items()

    eventually(mirrored, f"the status of {thing.name} has {reported}")
