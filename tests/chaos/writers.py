"""Four clients that change things all the time: who edits specs, who has the Secrets, who deletes and makes objects
again, and who writes to shadows beside the operator.

Each has dice of its own. A request that fails under the troubles is not made again: another one comes.
"""

import asyncio
import json
import random
from base64 import b64encode
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Any

import aiohttp
from tests.chaos.record import LIFE, Record
from tests.chaos.stage import NAMESPACE, Stage
from tests.simulation.lives import Life, edit_of, leaves, place
from tests.simulation.plan import FOREIGN, PATHS
from tests.support.bare_api import Api, for_each

from thing_operator.api.names import API_VERSION, THING_KIND, THINGS
from thing_operator.core.resource import ObjectKey
from thing_operator.kube.resources import SECRETS
from thing_operator_local.cloud.client import CloudThing
from thing_operator_local.errors import LocalError

Json = dict[str, Any]

_MERGE = "application/merge-patch+json"
_TIMEOUT = 15.0
_POLICIES = ("Merge", "Merge", "Merge", "Exact")
_BROKEN = 6.0
"""Seconds after which a broken or deleted Secret is repaired."""
_AGAIN = 2.0


class Writers:
    """The four; ``things`` are what they have to do with, and ``pace`` is how many changes come a second."""

    def __init__(
        self, stage: Stage, record: Record, things: Sequence[CloudThing], *, seed: int, pace: float
    ) -> None:
        self.counts: Counter[str] = Counter()
        self.foreign: dict[str, dict[str, int]] = {}
        """By thing, what was last desired by others."""
        self.identities = {thing.name: thing for thing in things}
        self._stage = stage
        self._record = record
        self._seed = seed
        self._pace = pace
        self._names = [thing.name for thing in things]
        self._edits = 0
        self._numbers: Counter[str] = Counter()
        self._api = Api(stage.plane.kubeconfig)
        self._mending: set[asyncio.Task[None]] = set()

    async def make_all(self) -> None:
        """A Secret and a Thing for each."""
        async with self._api:
            dice = random.Random(f"make {self._seed}")
            await for_each(self._names, lambda name: self._make(name, dice))

    async def run(self, seconds: float) -> None:
        """Write for so long."""
        writers: dict[str, tuple[float, Sequence[Callable[[str, random.Random], Awaitable[None]]]]] = {
            "editor": (0.45, (self._edit, self._edit, self._edit, self._remove, self._policy, self._suspend)),
            "outsider": (0.45, (self._report, self._report, self._foreign, self._drift)),
            "owner of secrets": (0.03, (self._rotate, self._break, self._delete_secret)),
            "gardener": (0.07, (self._replace,)),
        }
        async with self._api:
            async with asyncio.TaskGroup() as group:
                for name, (share, acts) in writers.items():
                    dice = random.Random(f"{name} {self._seed}")
                    group.create_task(self._write(dice, share * self._pace, acts, seconds))
            await asyncio.gather(*self._mending)

    async def finish(self) -> None:
        """Everybody who has a Thing has a good Secret beside it, and all that were deleted are there again."""
        async with self._api:
            dice = random.Random(f"finish {self._seed}")
            for name in self._names:
                await self._until_done(lambda: self._put_secret(name))  # noqa: B023
                if ObjectKey(NAMESPACE, name) not in self._record.lives.current:
                    await self._until_done(lambda: self._post(name, dice))  # noqa: B023

    async def _write(
        self,
        dice: random.Random,
        rate: float,
        acts: Sequence[Callable[[str, random.Random], Awaitable[None]]],
        seconds: float,
    ) -> None:
        loop = asyncio.get_running_loop()
        end, due = loop.time() + seconds, loop.time()
        while (due := due + dice.expovariate(rate)) < end:
            await asyncio.sleep(max(0.0, due - loop.time()))
            act, name = dice.choice(acts), dice.choice(self._names)
            try:
                async with asyncio.timeout(_TIMEOUT):
                    await act(name, dice)
            except (RuntimeError, aiohttp.ClientError, TimeoutError, OSError, LocalError, ValueError):
                self.counts["writes that failed"] += 1

    # --- specs

    async def _edit(self, name: str, dice: random.Random) -> None:
        path = dice.choice(PATHS)
        await self._change(
            name, lambda life, spec: place(spec.setdefault("desired", {}), path, self._value(life)), "edits"
        )

    async def _remove(self, name: str, dice: random.Random) -> None:
        def change(_life: Life, spec: Json) -> None:
            there = [path for path, value in leaves(spec.get("desired", {})) if edit_of(value)]
            if there:
                place(spec["desired"], dice.choice(there), None)

        await self._change(name, change, "edits")

    async def _policy(self, name: str, dice: random.Random) -> None:
        policy = dice.choice(_POLICIES)
        await self._change(name, lambda _life, spec: spec.update(desiredPolicy=policy), "edits")

    async def _suspend(self, name: str, dice: random.Random) -> None:
        if dice.random() < 0.3:
            await self._change(
                name, lambda _life, spec: spec.update(suspend=not spec.get("suspend")), "edits"
            )

    async def _change(self, name: str, change: Callable[[Life, Json], None], what: str) -> None:
        """Read, change and write, of this version only: what comes late must not undo what came after it."""
        path = THINGS.path(NAMESPACE, name)
        body = await self._api.call("GET", path)
        life = self._record.lives.by_uid.get(body["metadata"]["uid"])
        if life is None or "deletionTimestamp" in body["metadata"]:
            return
        change(life, body["spec"])
        body.pop("status", None)
        await self._api.call("PUT", path, body)
        self.counts[what] += 1

    def _value(self, life: Life) -> str:
        self._edits += 1
        return f"{life.tag}#{self._edits}"

    # --- objects

    async def _make(self, name: str, dice: random.Random) -> None:
        await self._put_secret(name)
        await self._post(name, dice)

    async def _post(self, name: str, dice: random.Random) -> None:
        self._numbers[name] += 1
        life = Life(ObjectKey(NAMESPACE, name), self._numbers[name], name)
        spec: Json = {"thingName": name, "desired": {}, "deletionPolicy": dice.choice(("Retain", "Clear"))}
        for path in dice.sample(PATHS, 2):
            place(spec["desired"], path, self._value(life))
        if dice.random() < 0.3:
            spec["device"] = {"connectionStatus": True}
        metadata = {"name": name, "annotations": {LIFE: str(life.number)}}
        body = {"apiVersion": API_VERSION, "kind": THING_KIND, "metadata": metadata, "spec": spec}
        await self._api.call("POST", THINGS.path(NAMESPACE), body)
        self.counts["Things made"] += 1

    async def _replace(self, name: str, dice: random.Random) -> None:
        """Delete it, or make it again where it was deleted."""
        if ObjectKey(NAMESPACE, name) in self._record.lives.current:
            await self._api.call("DELETE", THINGS.path(NAMESPACE, name))
            self.counts["Things deleted"] += 1
            if dice.random() < 0.5:
                return
        await self._post(name, dice)

    # --- Secrets

    async def _put_secret(self, name: str, *, data: Json | None = None) -> None:
        thing = self.identities[name]
        good = {"tls.crt": thing.certificate_pem, "tls.key": thing.private_key_pem}
        data = data or {key: b64encode(value).decode() for key, value in good.items()}
        metadata = {"name": f"thing-{name}", "namespace": NAMESPACE}
        body = {"type": "kubernetes.io/tls", "metadata": metadata, "data": data}
        path = SECRETS.path(NAMESPACE)
        try:
            await self._api.call("PUT", f"{path}/thing-{name}", body)
        except RuntimeError as error:
            if " 404 " not in str(error):
                raise
            await self._api.call("POST", path, body)

    async def _rotate(self, name: str, _dice: random.Random) -> None:
        thing = await asyncio.to_thread(self._stage.cloud.replace_certificate, self.identities[name])
        self.identities[name] = thing
        self.counts["certificates rotated"] += 1
        self._mend(name, after=0)

    async def _break(self, name: str, _dice: random.Random) -> None:
        await self._put_secret(name, data={"tls.crt": "bm90IFBFTQ==", "tls.key": "bm90IFBFTQ=="})
        self.counts["Secrets broken"] += 1
        self._mend(name, after=_BROKEN)

    async def _delete_secret(self, name: str, _dice: random.Random) -> None:
        await self._api.call("DELETE", f"{SECRETS.path(NAMESPACE)}/thing-{name}")
        self.counts["Secrets deleted"] += 1
        self._mend(name, after=_BROKEN)

    def _mend(self, name: str, *, after: float) -> None:
        async def mend() -> None:
            await asyncio.sleep(after)
            await self._until_done(lambda: self._put_secret(name))

        task = asyncio.create_task(mend())
        self._mending.add(task)
        task.add_done_callback(self._mending.discard)

    async def _until_done(self, act: Callable[[], Awaitable[None]]) -> None:
        while True:
            try:
                async with asyncio.timeout(_TIMEOUT):
                    await act()
            except RuntimeError as error:
                if " 409 " in str(error):  # an answer was lost, and it was done
                    return
            except (aiohttp.ClientError, TimeoutError, OSError, ValueError):
                pass
            else:
                return
            await asyncio.sleep(_AGAIN)

    # --- shadows

    async def _report(self, name: str, dice: random.Random) -> None:
        self._update(name, {"reported": {f"v{dice.randrange(3)}": dice.randrange(1000)}}, "reports")

    async def _foreign(self, name: str, dice: random.Random) -> None:
        self._edits += 1
        key = dice.choice(FOREIGN)
        if self._update(name, {"desired": {key: self._edits}}, "keys of others"):
            self.foreign.setdefault(name, {})[key] = self._edits

    async def _drift(self, name: str, dice: random.Random) -> None:
        tree: Json = {}
        place(tree, dice.choice(PATHS), f"drift {dice.randrange(1000)}")
        self._update(name, {"desired": tree}, "drifts")

    def _update(self, name: str, state: Json, what: str) -> bool:
        sent = self._record.publish(name, state)
        if sent:
            self.counts[what] += 1
            self._record.note(f"somebody sends {json.dumps(state)}", name)
        return sent


def pieces_of_keys(identities: Sequence[CloudThing]) -> list[str]:
    """A line of each private key: no text is to have it."""
    found = []
    for thing in identities:
        with suppress(IndexError):
            found.append(thing.private_key_pem.decode().splitlines()[1])
    return found
