"""What the tests of the console show it."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.support import console_fleet as objects
from tests.support.console import Console
from tests.support.console_cluster import ScriptedCluster
from tests.support.controlplane import Kubectl

Json = dict[str, Any]

THING_VIEW = "/things/plant/freezer-hero"
"""Of the Thing of :func:`populate` that has something of everything."""


class Shown:
    """Objects of the console's namespace."""

    def __init__(self, kubectl: Kubectl, namespace: str) -> None:
        self._kubectl = kubectl
        self.namespace = namespace

    def put(self, *bodies: Json) -> None:
        """Make or change objects, with the status that each has."""
        text = json.dumps({"apiVersion": "v1", "kind": "List", "items": list(bodies)})
        self._kubectl("apply", "--server-side", "--force-conflicts", "--filename=-", input=text)
        changed = [body for body in bodies if "status" in body]
        if changed:
            text = json.dumps({"apiVersion": "v1", "kind": "List", "items": changed})
            status = ("--subresource=status", "--field-manager=operator")
            self._kubectl("apply", "--server-side", "--force-conflicts", *status, "--filename=-", input=text)

    def delete(self, kind: str, name: str) -> None:
        self._kubectl("delete", kind, name, f"--namespace={self.namespace}")


def enter(page: Any, console: Console) -> None:
    """Open the console's link, to the end of the navigation that follows."""
    page.goto(console.link)
    page.wait_for_url(f"{console.address}/")


def populate(cluster: ScriptedCluster, *, size: int) -> Json:
    """Things in three namespaces and one more with all that a Thing may have, a batch, and three replicas.

    Returns that one.
    """
    since = datetime.now(UTC) - timedelta(minutes=42)
    cluster.put(*objects.fleet(size, namespaces=("plant", "plant-2", "lab")))
    hero = objects.thing(
        "freezer-hero",
        namespace="plant",
        batch="freezers",
        spec={"desired": {"setpoint": -20, "mode": "auto"}},
    )
    reported = {
        "temperature": -18.2,
        "humidity": 41.0,
        "setpoint": -18,
        "mode": "auto",
        "door": {"open": False},
    }
    hero["status"] = objects.status("freezer-hero", since=since, reported=reported, delta={"setpoint": -20})
    batch = objects.batch("freezers", namespace="plant")
    failures = {"00000007": "private key and certificate do not belong together: ask for a new zip"}
    batch["status"] = objects.batch_status(total=500, imported=499, failures=failures, since=since)
    cluster.put(hero, batch, *objects.leases(namespace="ops", group="thing-operator", members=3))
    for minutes, (kind, reason, message) in enumerate(
        (
            ("Normal", "Accepted", "the shadow service has accepted generation 3"),
            ("Warning", "ConnectionLost", "the broker has closed the connection"),
            ("Normal", "Connected", "the session is up"),
        ),
        start=3,
    ):
        cluster.put(
            {
                "kind": "Event",
                "metadata": {"namespace": "plant", "name": f"event-{minutes}"},
                "type": kind,
                "reason": reason,
                "message": message,
                "count": 1,
                "lastTimestamp": objects.time_of(datetime.now(UTC) - timedelta(minutes=5 * minutes)),
                "involvedObject": {"kind": "Thing", "name": "freezer-hero"},
            }
        )
    return hero
