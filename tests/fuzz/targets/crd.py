"""Things and ThingBatches as an API server passes them on, and as one without our rules, or with older ones, would."""

import json
from typing import Any, Final

from tests.fuzz.dice import Dice, as_json, changed
from tests.fuzz.judging import check_message

from thing_operator.api.thing import ThingSpec
from thing_operator.api.thingbatch import ThingBatchSpec
from thing_operator.config import EndpointSettings
from thing_operator.core.errors import UserError
from thing_operator.core.json_bytes import decode
from thing_operator.core.resource import ObjectKey
from thing_operator.device import NO_DEVICE, DeviceProgram, compile_device
from thing_operator.jobs.program import jobs_program
from thing_operator.kube.snapshot import InvalidSpecError, ObjectSnapshot
from thing_operator.shadow.documents import ShadowDocument
from thing_operator.twin.judging import problems_of_spec
from thing_operator.twin.managed_paths import ManagedPaths
from thing_operator.twin.plan import choose_update, plan_update
from thing_operator.twin.resolved import resolve

_SETTINGS: Final = EndpointSettings.model_validate({"host": "broker.test", "allowedHosts": ["*.test"]})
_LIMIT: Final = 8192
_THING: Final[dict[str, Any]] = {
    "thingName": "t1",
    "credentials": {"secretName": "s", "certificateKey": "tls.crt", "privateKeyKey": "tls.key"},
    "endpoint": {"host": "b.test", "port": 8883, "caSecretName": "ca"},
    "desired": {"a": {"b": 1}, "c": [1, {"d": 2}], "e": None},
    "desiredPolicy": "Exact",
    "device": {
        "reported": {"firmware": "1.0", "n": {"m": None}},
        "location": {"lat": 59.9, "lng": 10.7},
        "acknowledge": "Paths",
        "acknowledgePaths": ["/a/b", "/c"],
        "acknowledgeDelay": "2s",
        "connectionStatus": True,
        "simulate": [
            {"path": "/t", "every": "5s", "sine": {"mean": 1, "amplitude": 2, "period": "1m"}},
            {"path": "/k", "every": "10s", "counter": {"start": 1, "step": 2}},
        ],
        "jobs": "Succeed",
        "jobDuration": "10s",
        "jobDetails": [{"name": "x", "value": "y"}],
    },
    "mirror": {
        "reported": "Paths",
        "paths": ["/t"],
        "minInterval": "5s",
        "metrics": [{"name": "t", "path": "/t"}],
    },
    "suspend": False,
    "deletionPolicy": "Clear",
}
_CHILD: Final[dict[str, Any]] = {"thingName": "c1", "parentRef": {"name": "hub"}, "desired": {"a": 1}}
_BATCH: Final[dict[str, Any]] = {
    "source": {"secrets": [{"name": "zip", "key": "batch.zip"}]},
    "things": {
        "create": True,
        "template": {
            "metadata": {"labels": {"a": "b"}, "annotations": {"c": "d"}},
            "spec": {"desired": {"a": 1}, "suspend": True},
        },
    },
    "secretTemplate": {"metadata": {"labels": {"e": "f"}}},
    "prunePolicy": "Delete",
    "deletionPolicy": "Retain",
    "removeSource": True,
}
_ORDER: Final[dict[str, Any]] = {
    "source": {
        "cloudApi": {
            "host": "mic.test",
            "accountSecretName": "a",
            "thingType": "t",
            "domain": "root",
            "size": 3,
        }
    }
}
_SPECS: Final = (_THING, _CHILD, _BATCH, _ORDER)
_SHADOW: Final = ShadowDocument(
    desired={"a": {"b": 2}, "old": 1}, reported={"t": 1, "a": {"b": 1}}, version=3
)
_MANAGED: Final = ManagedPaths(("/a/b", "/old"), ("/t",))

_RAW: Final = 1
SEEDS: Final = [
    *(bytes([0, each]) + bytes(8) for each in range(len(_SPECS))),
    *(bytes([_RAW]) + json.dumps(each).encode() for each in _SPECS),
]


def one_input(data: bytes) -> None:
    """Whatever the spec: it is carried out, or refused in words that say where."""
    dice = Dice(data)
    text = dice.rest() if dice.number(4) == _RAW else as_json(dice, changed(dice, dice.pick(_SPECS)))
    try:
        spec = decode(text)
    except ValueError:
        return
    if not isinstance(spec, dict):
        return  # every API server refuses that: spec is an object
    check_thing(spec)
    check_batch(spec)


def check_thing(spec: dict[str, Any]) -> None:
    """All that is decided of a Thing with this spec."""
    snapshot, parent = _snapshot("t", spec), _snapshot("hub", spec)
    found = resolve(snapshot, settings=_SETTINGS, find={ObjectKey("ns", "hub"): parent}.get)
    if found.problem is not None:
        check_message(found.problem.message)
    if found.spec is None:
        return
    problems = problems_of_spec(found.spec, name="t", document_limit=_LIMIT)
    for problem in problems:
        check_message(problem.message)
    jobs_program(found.spec)
    try:
        program = compile_device(found.spec, thing_name="t", document_limit=_LIMIT)
        _carry_out(found.spec, program)
    except UserError:
        assert problems


def check_batch(spec: dict[str, Any]) -> None:
    """A ThingBatch with this spec."""
    try:
        _snapshot("b", spec).parse_spec(ThingBatchSpec)
    except InvalidSpecError as error:
        check_message(error.message)


def _carry_out(spec: ThingSpec, program: DeviceProgram) -> None:
    for document in (None, _SHADOW):
        for each in (NO_DEVICE, program):
            plan = plan_update(
                spec=spec,
                program=each,
                managed=_MANAGED,
                document=document,
                already_accepted=True,
                document_limit=_LIMIT,
            )
            choose_update(
                plan, is_current=True, may_repair=True, may_update_presence=True, may_acknowledge=True
            )
    for signal in program.signals:
        signal.value(3, None)


def _snapshot(name: str, spec: dict[str, Any]) -> ObjectSnapshot:
    metadata = {
        "namespace": "ns",
        "name": name,
        "uid": f"uid-{name}",
        "generation": 1,
        "resourceVersion": "1",
        "creationTimestamp": "2026-01-01T00:00:00Z",
    }
    return ObjectSnapshot.from_body({"metadata": metadata, "spec": spec})
