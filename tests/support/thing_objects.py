"""Things by the hundred: a namespace, a Secret and a Thing for each thing, and the settings of their operator."""

import base64
from collections.abc import Mapping, Sequence
from typing import Any

from tests.support.bare_api import SECRETS, THINGS, Api, for_each

from thing_operator.api import names
from thing_operator_local.cloud.client import CloudThing

WRITE_BUDGET = "THING_OPERATOR_STATUS__WRITES_PER_SECOND"
"""The setting that bounds the operator's status writes; 100 a second by default."""

DESIRED = {"setpoint": -18, "mode": "auto", "limits": {"min": -25, "max": -15}}


ODD: dict[str, Any] = {
    "numbers": [0, -1, 1.5, 1e-7, 2**53 + 1, -(2**63), 1e300],
    "one": 1,
    "unicode": 'Ærøskøbing 🧊 "quoted" \\ \n',
    "Ключ": {"深い": {"もっと": "ok"}},
    "": {"": "empty keys"},
    "a/b": {"m~n": "~1 ~0"},
    "nothing": {},
    "list": [],
    "lists": [[1, [2, {}]], {"k": [True, False, ""]}],
    "flags": {"yes": True, "no": False},
}
"""A desired or reported state of everything that JSON, YAML and AWS have agreed on."""


def raised_budgets(size: int) -> dict[str, str]:
    """Settings under which neither AWS's default quotas nor the write budget set the pace."""
    return _patience(size) | {
        "THING_OPERATOR_PACING__CONNECTS_PER_SECOND": "100000",
        "THING_OPERATOR_PACING__SUBSCRIPTIONS_PER_SECOND": "1000000",
        WRITE_BUDGET: "2000",
    }


def default_budgets(size: int) -> dict[str, str]:
    """Settings under which AWS's default quotas and the write budget set the pace; three topic filters a session."""
    return _patience(size) | {"THING_OPERATOR_SESSION__TOPIC_FILTERS": "wildcard"}


def _patience(size: int) -> dict[str, str]:
    # With thousands of handshakes on two cores a bounce is not short; 30 s is the default.
    return {"THING_OPERATOR_SESSION__DISCONNECT_GRACE": f"{max(30, size // 25)}s"}


async def make_objects(
    api: Api, namespace: str, things: Sequence[CloudThing], *, spec: Mapping[str, Any] | None = None
) -> None:
    """Make them; the Things go by the names of the things. ``spec`` comes on top of what they desire."""
    await api.call("POST", "/api/v1/namespaces", {"metadata": {"name": namespace}})
    secrets, path = SECRETS.format(namespace=namespace), THINGS.format(namespace=namespace)

    async def make(thing: CloudThing) -> None:
        await api.call("POST", secrets, _secret(thing))
        await api.call("POST", path, _thing(thing, spec or {}))

    await for_each(things, make)


def _secret(thing: CloudThing) -> dict[str, Any]:
    data = {"tls.crt": thing.certificate_pem, "tls.key": thing.private_key_pem}
    return {
        "type": "kubernetes.io/tls",
        "metadata": {"name": f"thing-{thing.name}", "labels": {names.BATCH_LABEL: "bench"}},
        "data": {key: base64.b64encode(value).decode() for key, value in data.items()},
    }


def _thing(thing: CloudThing, spec: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "apiVersion": names.API_VERSION,
        "kind": names.THING_KIND,
        "metadata": {"name": thing.name},
        "spec": {"thingName": thing.name, "desired": DESIRED, **spec},
    }


def is_ready(body: Mapping[str, Any]) -> bool:
    """Whether an object is Ready with its present generation."""
    generation, status = body["metadata"]["generation"], body.get("status", {})
    return any(
        (each["type"], each["status"], each.get("observedGeneration")) == ("Ready", "True", generation)
        for each in status.get("conditions", ())
    )
