"""Objects as an operator leaves them, for the console to show: many Things, a batch, the Leases of replicas."""

import random
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from thing_operator.api import names
from thing_operator.sharding.hashing import BATCH_SHARD, SHARDS
from thing_operator.sharding.member import GROUP_LABEL
from thing_operator.sharding.shard_map import MAP_ANNOTATION, ShardMap

Json = dict[str, Any]

HOSTILE = "</script><img src=x onerror=\"document.title='owned'\">{{7*7}}\u202e\"'"
"""A value that a page must show as it is."""

_REASONS = (
    (940, "True", "Accepted", "the shadow service has accepted the desired state"),
    (30, "False", "Pending", "the session is not up yet, 42 others are before it"),
    (12, "False", "SecretNotFound", "Secret thing-{name} does not exist: create it, or name another one"),
    (
        8,
        "False",
        "EndpointUnreachable",
        "broker.example:8883 cannot be reached (timed out): check the network",
    ),
    (4, "False", "NotAuthorized", "the broker does not let the thing in: check its policy and certificate"),
    (4, "False", "Suspended", "spec.suspend is true"),
    (2, "Unknown", "NotSeen", "no operator has seen this object: is one running?"),
)
"""Of a thousand Things: how many, with which status, reason and message of Ready."""


def time_of(moment: datetime) -> str:
    """As Kubernetes writes it."""
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


def condition(kind: str, status: str, reason: str, message: str, since: datetime) -> Json:
    return {
        "type": kind,
        "status": status,
        "reason": reason,
        "message": message,
        "observedGeneration": 1,
        "lastTransitionTime": time_of(since),
    }


def thing(name: str, *, namespace: str, spec: Json | None = None, batch: str = "") -> Json:
    """A Thing without a status."""
    labels = {names.BATCH_LABEL: batch} if batch else {}
    return {
        "apiVersion": names.API_VERSION,
        "kind": names.THING_KIND,
        "metadata": {"name": name, "namespace": namespace, "labels": labels},
        "spec": {"thingName": f"mic-{name}"} | (spec or {}),
    }


def status(
    name: str,
    *,
    ready: tuple[str, str, str] = ("True", "Accepted", "the shadow service has accepted the desired state"),
    since: datetime,
    reported: Json | None = None,
    delta: Json | None = None,
    certificate_ends: datetime | None = None,
) -> Json:
    """The status of a Thing whose Ready has this status, reason and message."""
    is_up = ready[0] == "True"
    is_valid = ready[1] not in {"SecretNotFound", "NotSeen"}
    conditions = [
        condition("Ready", *ready, since),
        condition("CredentialsValid", str(is_valid), "Valid" if is_valid else ready[1], ready[2], since),
        condition("Connected", str(is_up), "Connected" if is_up else ready[1], ready[2], since),
        condition(
            "InSync",
            str(not delta) if is_up else "Unknown",
            "DeltaPending" if delta else "Converged" if is_up else "Unknown",
            "the device has not reported every desired value" if delta else "",
            since,
        ),
    ]
    found: Json = {
        "observedGeneration": 1,
        "thingName": f"mic-{name}",
        "conditions": conditions,
        "managedPaths": ["/setpoint"],
    }
    if is_valid:
        found["certificate"] = {
            "secretName": f"thing-mic-{name}",
            "fingerprint": "5f" * 32,
            "notBefore": time_of(since - timedelta(days=200)),
            "notAfter": time_of(certificate_ends or since + timedelta(days=700)),
        }
        found["endpoint"] = {"host": "broker.example", "port": 8883}
    if is_up:
        found["shadow"] = {
            "version": 7,
            "bytes": 412,
            "updateTime": time_of(since),
            "reportedTime": time_of(since),
            "reported": reported or {},
            "delta": delta or {},
            "pendingCount": len(delta or {}),
        }
    return found


def fleet(size: int, *, namespaces: tuple[str, ...] = ("plant",), seed: int = 1) -> list[Json]:
    """Things in the states that a fleet has, the same ones for a seed."""
    dice = random.Random(seed)
    weights = [share for share, *_ in _REASONS]
    now = datetime.now(UTC)
    found = []
    for number in range(size):
        name = f"freezer-{number:05}"
        _, ready, reason, message = dice.choices(_REASONS, weights)[0]
        reported = {"temperature": round(dice.uniform(-20, -16), 1), "setpoint": -18, "door": {"open": False}}
        body = thing(
            name, namespace=namespaces[number % len(namespaces)], spec={"desired": {"setpoint": -18}}
        )
        delta = {"setpoint": -18} if dice.random() < 0.03 else None
        body["status"] = status(
            name,
            ready=(ready, reason, message.format(name=name)),
            since=now - timedelta(seconds=dice.expovariate(1 / 90_000)),
            reported=reported,
            delta=delta,
        )
        found.append(body)
    return found


def batch(name: str, *, namespace: str) -> Json:
    """A ThingBatch without a status."""
    return {
        "apiVersion": names.API_VERSION,
        "kind": names.BATCH_KIND,
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"source": {"secrets": [{"name": "zip", "key": "batch.zip"}]}, "things": {"create": True}},
    }


def batch_status(*, total: int, imported: int, failures: Mapping[str, str], since: datetime) -> Json:
    """The status of a ThingBatch of whose folders some cannot be used, each with the message why."""
    things = [{"name": name, "result": "Invalid", "message": message} for name, message in failures.items()]
    message = f"{imported} of {total} things are imported"
    return {
        "observedGeneration": 1,
        "conditions": [condition("Ready", "False", "PartlyImported", message, since)],
        "total": total,
        "imported": imported,
        "failed": len(failures),
        "things": things,
    }


def leases(*, namespace: str, group: str, members: int, silent: int = 0) -> list[Json]:
    """The Leases of a release's replicas, which share the shards; the first ``silent`` have renewed none for long."""
    now = datetime.now(UTC)
    pods = [f"{group}-{number}" for number in range(members)]
    shard_map = ShardMap().given({BATCH_SHARD}, pods[0])
    for number, pod in enumerate(pods):
        shard_map = shard_map.given(range(SHARDS * number // members, SHARDS * (number + 1) // members), pod)
    found = [_lease(f"{group}-shards", namespace, group, {MAP_ANNOTATION: shard_map.text}, {})]
    for number, pod in enumerate(pods):
        renewed = now - timedelta(hours=1 if number < silent else 0)
        spec = {
            "holderIdentity": pod,
            "leaseDurationSeconds": 3600 if number >= silent else 15,
            "renewTime": f"{renewed:%Y-%m-%dT%H:%M:%S.%fZ}",
        }
        found.append(_lease(pod, namespace, group, {}, spec))
    return found


def _lease(name: str, namespace: str, group: str, annotations: Mapping[str, str], spec: Json) -> Json:
    return {
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": {
            "name": name,
            "namespace": namespace,
            "labels": {GROUP_LABEL: group},
            "annotations": dict(annotations),
        },
        "spec": spec,
    }
