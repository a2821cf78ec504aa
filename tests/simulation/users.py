"""The users of the cluster, who write Things and ThingBatches: what each of their events does to the models."""

import random
from collections.abc import Callable
from functools import partial
from typing import Any

from tests.simulation.api_model import ApiModel, Object
from tests.simulation.broker_model import BrokerModel
from tests.simulation.certificates import Certificates
from tests.simulation.invariants import Invariants
from tests.simulation.lives import Life, Path, edit_of, leaves, place
from tests.simulation.mic_model import HOST
from tests.simulation.plan import NAMESPACES, PATHS, Event

from thing_operator.api.names import API_VERSION, BATCH_KIND, BATCHES, THING_KIND, THINGS
from thing_operator.core.json_bytes import decode, encode
from thing_operator.core.resource import ObjectKey
from thing_operator.kube.resources import SECRETS
from thing_operator.shadow.topics import CHILD_MARK

_POLICIES = ("Merge", "Merge", "Exact", "Once", "Observe")
_ME = "user"
_RENEWED = "x"
"""Below this are keys that are desired for a while only."""
_TOGGLED = "y"
_THEIR_FINALIZER = "example.com/in-use"
"""Of another controller."""


class Users:
    """Carry out events. What cannot be (an edit of a Thing that is not there) does nothing."""

    def __init__(
        self,
        api: ApiModel,
        broker: BrokerModel,
        invariants: Invariants,
        certificates: Certificates,
        *,
        together: bool,
    ) -> None:
        """``together``: two Things of one thing are in one namespace, since each namespace has an operator of its own,
        and nobody decides between two operators.
        """
        self._api = api
        self._broker = broker
        self._invariants = invariants
        self._certificates = certificates
        self._lives = invariants.lives
        self._together = together
        self._edits = 0
        self._wanted = ("", 0)
        self.actions: dict[str, Callable[[Event, random.Random], None]] = {
            "create": self._create,
            "duplicate": self._duplicate,
            "edit": self._edit,
            "edit all": self._edit_all,
            "renew": lambda event, dice: self._change(event, dice, self._renew),
            "renew all": self._renew_all,
            "toggle": lambda event, dice: self._change(event, dice, self._toggle),
            "retouch": lambda event, dice: self._change(event, dice, _retouch),
            "rest": self._rest,
            "clear or retain": self._clear_or_retain,
            "hold on": self._hold_on,
            "let go": self._let_go,
            "remove": self._remove,
            "policy": self._policy,
            "once": lambda event, dice: self._change(event, dice, _set_once),
            "suspend": self._suspend,
            "device": self._device,
            "delete": self._delete,
            "restore": self._restore,
            "create child": self._create_child,
            "handle jobs": self._handle_jobs,
            "do jobs": self._do_jobs,
            "order": self._order,
            "delete batch": self._delete_batch,
            "touch status": self._touch_status,
        }

    # --- Things

    def _create(self, event: Event, dice: random.Random) -> None:
        key = event.thing_key
        if self._api.find(THINGS, key) is not None:
            return
        self._certificates.provide(key.namespace, event.thing_name)
        spec: dict[str, Any] = {"desired": {}, "deletionPolicy": dice.choice(("Retain", "Clear", "Delete"))}
        self._make(key, event.thing_name, spec, dice)

    def _duplicate(self, event: Event, dice: random.Random) -> None:
        """Another Thing of the same thing, in the other namespace or the same."""
        namespace = dice.choice(NAMESPACES)
        if self._together:
            namespace = event.thing_key.namespace
        key = ObjectKey(namespace, f"twin{event.thing}")
        if self._api.find(THINGS, key) is None:
            self._certificates.provide(key.namespace, event.thing_name)
            self._make(key, event.thing_name, {"thingName": event.thing_name, "desired": {}}, dice)

    def _create_child(self, event: Event, dice: random.Random) -> None:
        """A networked child of a Thing, whether that is there or not."""
        parent, child = event.thing_key, dice.choice(("c0", "c1"))
        key = ObjectKey(parent.namespace, f"{parent.name}-{child}")
        if self._api.find(THINGS, key) is None:
            spec: dict[str, Any] = {
                "parentRef": {"name": parent.name},
                "thingName": child,
                "desired": {},
                "deletionPolicy": dice.choice(("Retain", "Clear", "Delete")),
            }
            self._make(key, f"{event.thing_name}{CHILD_MARK}{child}", spec, dice)

    def _make(self, key: ObjectKey, thing: str, spec: dict[str, Any], dice: random.Random) -> None:
        parent = ObjectKey(key.namespace, spec["parentRef"]["name"]) if "parentRef" in spec else None
        life = self._lives.begin(key, thing, parent=parent, now=self._invariants.now())
        for path in dice.sample(PATHS, 2):
            place(spec["desired"], path, self._value(life))
        if dice.random() < 0.3:
            spec["desiredPolicy"] = dice.choice(_POLICIES)
        metadata: Object = {"name": key.name}
        if dice.random() < 0.15:
            metadata["finalizers"] = [_THEIR_FINALIZER]
        body = {"apiVersion": API_VERSION, "kind": THING_KIND, "metadata": metadata, "spec": spec}
        life.note(1, _copy(spec))
        made = self._api.create(_ME, THINGS, key.namespace, body)
        life.uid = made["metadata"]["uid"]
        self._lives.by_uid[life.uid] = life
        self._note(life)

    def _edit(self, event: Event, dice: random.Random) -> None:
        self._change(event, dice, lambda life, spec: self._set_one(life, spec, dice))

    def _edit_all(self, _event: Event, dice: random.Random) -> None:
        """As a tool that applies everything at once."""
        for life in list(self._lives.current.values()):
            self._change_one(life, lambda life, spec: self._set_one(life, spec, dice))

    def _set_one(self, life: Life, spec: Object, dice: random.Random) -> None:
        place(spec.setdefault("desired", {}), dice.choice(PATHS), self._value(life))

    def _renew(self, life: Life, spec: Object) -> None:
        """Desire a key that it never had before, in place of the last such key."""
        value = self._value(life)
        spec.setdefault("desired", {})[_RENEWED] = {f"n{value.rpartition('#')[2]}": value}

    def _toggle(self, life: Life, spec: Object) -> None:
        """Desire a key that comes and goes."""
        is_there = _TOGGLED in spec.get("desired", {})
        place(spec.setdefault("desired", {}), (_TOGGLED,), None if is_there else self._value(life))

    def _renew_all(self, _event: Event, _dice: random.Random) -> None:
        for life in list(self._lives.current.values()):
            self._change_one(life, self._renew)

    def _rest(self, event: Event, _dice: random.Random) -> None:
        """Suspend a Thing that has a session of its own, or resume it."""
        life = self._lives.current.get(event.thing_key)
        if life is not None:
            self._change_one(life, lambda _life, spec: spec.update(suspend=not spec.get("suspend", False)))

    def _clear_or_retain(self, event: Event, _dice: random.Random) -> None:
        """Change what becomes of the shadows of a Thing's children, so that they get a finalizer, or have none."""

        def change(_life: Life, spec: Object) -> None:
            spec["deletionPolicy"] = "Clear" if spec["deletionPolicy"] == "Retain" else "Retain"

        for life in list(self._lives.current.values()):
            if life.parent == event.thing_key:
                self._change_one(life, change)

    def _hold_on(self, event: Event, dice: random.Random) -> None:
        """Another controller has something to do before a Thing is deleted."""
        life = self._pick(event, dice)
        if life is not None and not life.deleting:
            self._api.edit(_ME, THINGS, life.key, _with_their_finalizer)

    def _let_go(self, event: Event, dice: random.Random) -> None:
        """Another controller is done with a Thing."""
        life = self._pick(event, dice)
        if life is not None:
            self._api.edit(_ME, THINGS, life.key, _without_their_finalizer)

    def _remove(self, event: Event, dice: random.Random) -> None:
        def change(_life: Life, spec: Object) -> None:
            there = [path for path, value in leaves(spec.get("desired", {})) if edit_of(value)]
            if there:
                place(spec["desired"], dice.choice(there), None)

        self._change(event, dice, change)

    def take_back(self, desired: dict[str, Any]) -> None:
        """Users desire no more what was just sent."""
        for path, value in leaves(desired):
            life = self._lives.all[found[0]] if (found := edit_of(value)) else None
            if life is not None and self._lives.current.get(life.key) is life:
                self._change_one(life, partial(_take_out, path))

    def _policy(self, event: Event, dice: random.Random) -> None:
        self._change(event, dice, lambda _life, spec: spec.update(desiredPolicy=dice.choice(_POLICIES)))

    def _suspend(self, event: Event, dice: random.Random) -> None:
        self._change(event, dice, lambda _life, spec: spec.update(suspend=not spec.get("suspend", False)))

    def _device(self, event: Event, dice: random.Random) -> None:
        def change(life: Life, spec: Object) -> None:
            found = dice.choice(
                (
                    {"connectionStatus": True},
                    {"acknowledge": "All"},
                    {"reported": {"model": f"m{dice.randrange(3)}"}},
                )
            )
            if life.parent is None or "connectionStatus" not in found:
                spec["device"] = found

        self._change(event, dice, change)

    def _handle_jobs(self, event: Event, dice: random.Random) -> None:
        """Say what becomes of the jobs of a thing."""
        device: Object = {"jobs": dice.choice(("Succeed", "Succeed", "Fail", "Bridge", "Ignore"))}
        if device["jobs"] in {"Succeed", "Fail"}:
            device["jobDuration"] = dice.choice(("0s", "4s", "20s"))
            if dice.random() < 0.2:
                device["jobStepTimeoutMinutes"] = 1

        def change(life: Life, spec: Object) -> None:
            if life.parent is None:
                spec["device"] = device

        self._change(event, dice, change)

    def _do_jobs(self, event: Event, _dice: random.Random) -> None:
        """Have the jobs of a thing done, which takes a while."""
        for life in self._lives.of_thing(event.thing_name):
            if self._lives.current.get(life.key) is life:
                self._change_one(life, _set_jobs)

    def _change(self, event: Event, dice: random.Random, change: Callable[[Life, Object], None]) -> None:
        """Edit the spec of one of the Things of a thing."""
        life = self._pick(event, dice)
        if life is not None:
            self._change_one(life, change)

    def _change_one(self, life: Life, change: Callable[[Life, Object], None]) -> None:
        if life.deleting:
            return

        def edit(body: Object) -> None:
            change(life, body["spec"])
            # As the API server does: it counts when the spec differs.
            if body["spec"] != life.spec:
                life.note(body["metadata"]["generation"] + 1, _copy(body["spec"]))

        self._api.edit(_ME, THINGS, life.key, edit)
        self._note(life)

    def _delete(self, event: Event, dice: random.Random) -> None:
        life = self._pick(event, dice)
        if life is None or life.deleting:
            return
        life.deleting = True
        life.note(life.generation + 1, life.spec)
        self._api.delete(_ME, THINGS, life.key)

    def _restore(self, event: Event, dice: random.Random) -> None:
        """Deleted without a word and made again from a backup, which has no status."""
        life = self._pick(event, dice)
        if life is None or life.deleting:
            return
        spec = _copy(life.spec)
        for old in self._lives.of_thing(life.thing):
            old.forgotten = True
        self._api.edit(_ME, THINGS, life.key, lambda body: body["metadata"].pop("finalizers", None))
        self._api.delete(_ME, THINGS, life.key)
        new = self._lives.begin(life.key, life.thing, parent=life.parent, now=self._invariants.now())
        for path, _ in list(leaves(spec["desired"])):
            if path:
                place(spec["desired"], path, self._value(new))
        new.note(1, _copy(spec))
        body = {
            "apiVersion": API_VERSION,
            "kind": THING_KIND,
            "metadata": {"name": life.key.name},
            "spec": spec,
        }
        new.uid = self._api.create(_ME, THINGS, life.key.namespace, body)["metadata"]["uid"]
        self._lives.by_uid[new.uid] = new
        self._note(new)

    def _touch_status(self, event: Event, dice: random.Random) -> None:
        """Somebody with too many rights clears a column."""
        life = self._pick(event, dice)
        if life is not None:
            self._api.edit(_ME, THINGS, life.key, lambda body: body["status"].pop("endpoint", None))

    def _pick(self, event: Event, dice: random.Random) -> Life | None:
        found = [
            life
            for life in self._lives.current.values()
            if life.thing.partition(CHILD_MARK)[0] == event.thing_name
            and self._api.find(THINGS, life.key) is not None
        ]
        return dice.choice(found) if found else None

    def _value(self, life: Life) -> str:
        self._edits += 1
        return f"{life.tag}#{self._edits}"

    def _note(self, life: Life) -> None:
        """The shadow may have what a new generation asks for already."""
        self._invariants.accept(life, self._broker.state(life.thing).get("desired", {}))

    def mend(self, dice: random.Random) -> None:
        """Nearly everybody who has a Thing has put a good Secret beside it; other controllers let go of Things."""
        for life in list(self._lives.current.values()):
            if life.parent is None:
                self._certificates.mend(life.key.namespace, life.thing, dice)
            self._api.edit(_ME, THINGS, life.key, _without_their_finalizer)

    # --- batches

    def _order(self, _event: Event, dice: random.Random) -> None:
        """A ThingBatch; one in five asks for the same as another one."""
        alike = self._invariants.batches and dice.random() < 0.2
        if not alike:
            self._wanted = (dice.choice(("lamp", "lock")), len(self._invariants.batches) + 1)
        self._invariants.batches[self._wanted] += 1
        namespace, number = dice.choice(NAMESPACES), sum(self._invariants.batches.values())
        if self._api.find(SECRETS, ObjectKey(namespace, "mic")) is None:
            account = {"userName": "c29tZWJvZHk=", "password": "cGFzc3dvcmQ="}
            secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "mic"}, "data": account}
            self._api.create(_ME, SECRETS, namespace, secret)
        thing_type, size = self._wanted
        source = {
            "host": HOST,
            "accountSecretName": "mic",
            "thingType": thing_type,
            "domain": "root",
            "size": size,
        }
        body = {
            "apiVersion": API_VERSION,
            "kind": BATCH_KIND,
            "metadata": {"name": f"batch{number}"},
            "spec": {"source": {"cloudApi": source}},
        }
        self._api.create(_ME, BATCHES, namespace, body)

    def _delete_batch(self, _event: Event, dice: random.Random) -> None:
        if found := self._api.listed(BATCHES):
            metadata = dice.choice(found)["metadata"]
            self._api.delete(_ME, BATCHES, ObjectKey.of(metadata))


def _copy(spec: Object) -> Object:
    found: Object = decode(encode(spec))
    return found


def _take_out(path: Path, _life: Life, spec: Object) -> None:
    place(spec["desired"], path, None)


def _retouch(_life: Life, spec: Object) -> None:
    """Another generation that asks for the same of the shadow."""
    spec["mirror"] = {"minInterval": "1s" if spec.get("mirror") == {"minInterval": "2s"} else "2s"}


def _set_once(_life: Life, spec: Object) -> None:
    spec["desiredPolicy"] = "Once"


def _set_jobs(_life: Life, spec: Object) -> None:
    spec["device"] = {"jobs": "Succeed", "jobDuration": "40s"}


def _with_their_finalizer(body: Object) -> None:
    found = body["metadata"].setdefault("finalizers", [])
    if _THEIR_FINALIZER not in found:
        found.append(_THEIR_FINALIZER)


def _without_their_finalizer(body: Object) -> None:
    found = [each for each in body["metadata"].get("finalizers", ()) if each != _THEIR_FINALIZER]
    body["metadata"]["finalizers"] = found
