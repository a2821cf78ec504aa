"""The certificates of things: who issues them, and what becomes of the Secrets that hold them."""

import random
from typing import TYPE_CHECKING

from tests.simulation.api_model import ApiModel
from tests.simulation.broker_model import BrokerModel
from tests.simulation.identities import identity
from tests.simulation.invariants import Invariants
from tests.simulation.plan import NAMESPACES, Event

from thing_operator.core.resource import ObjectKey
from thing_operator.kube.resources import SECRETS

if TYPE_CHECKING:
    from collections.abc import Callable

_USER = "user"
_NO_PEM = "bm90IFBFTQ=="


class Certificates:
    """Carry out the events of Secrets, and put one beside each Thing that needs it."""

    def __init__(self, api: ApiModel, broker: BrokerModel, invariants: Invariants) -> None:
        self._api = api
        self._broker = broker
        self._invariants = invariants
        self._identities: dict[str, int] = {}
        self._issued = 0
        self.left_broken: set[ObjectKey] = set()
        """The Secrets that hold no credentials at the end."""
        self.actions: dict[str, Callable[[Event, random.Random], None]] = {
            "rotate": self._rotate,
            "break secret": self._break_secret,
            "spoil secret": self._spoil_secret,
            "mend secret": lambda event, _dice: self.provide(event.thing_key.namespace, event.thing_name),
            "delete secret": self._delete_secret,
        }

    def provide(self, namespace: str, thing: str) -> None:
        """Let there be a Secret with the latest certificate of a thing, which is issued if there is none."""
        number = self._identities.get(thing) or self._issue(thing)
        self._put_secret(namespace, thing, identity(number).secret_data)

    def mend(self, namespace: str, thing: str, dice: random.Random) -> None:
        """Provide a Secret at the end; some of those without a certificate are left as they are."""
        secret = secret_key(namespace, thing)
        found = self._api.find(SECRETS, secret)
        if found is not None and found["data"]["tls.crt"] == _NO_PEM and dice.random() < 0.3:
            self.left_broken.add(secret)
        if secret not in self.left_broken:
            self.provide(namespace, thing)

    def _issue(self, thing: str) -> int:
        self._issued += 1
        found = identity(self._issued)
        self._broker.certificates[found.fingerprint] = thing
        self._identities[thing] = self._issued
        body = found.key_pem.decode().splitlines()
        self._invariants.keys.add(body[2], found.secret_data["tls.key"][80:120])
        return self._issued

    def _put_secret(self, namespace: str, thing: str, data: dict[str, str]) -> None:
        key = secret_key(namespace, thing)
        if self._api.find(SECRETS, key) is None:
            body = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": key.name}, "data": data}
            self._api.create(_USER, SECRETS, namespace, body)
        else:
            self._api.edit(_USER, SECRETS, key, lambda body: body.update(data=data))

    def _rotate(self, event: Event, dice: random.Random) -> None:
        data = identity(self._issue(event.thing_name)).secret_data
        for namespace in NAMESPACES:
            is_there = self._api.find(SECRETS, secret_key(namespace, event.thing_name))
            if is_there or dice.random() < 0.5:
                self._put_secret(namespace, event.thing_name, data)

    def _break_secret(self, event: Event, dice: random.Random) -> None:
        other = identity(10_000 + event.thing).secret_data
        broken = dice.choice(({"tls.crt": _NO_PEM, "tls.key": other["tls.key"]}, other))
        self._put_secret(dice.choice(NAMESPACES), event.thing_name, broken)

    def _spoil_secret(self, event: Event, _dice: random.Random) -> None:
        """That of a first Thing."""
        spoiled = {"tls.crt": _NO_PEM, "tls.key": identity(10_000 + event.thing).secret_data["tls.key"]}
        self._put_secret(event.thing_key.namespace, event.thing_name, spoiled)

    def _delete_secret(self, event: Event, dice: random.Random) -> None:
        key = secret_key(dice.choice(NAMESPACES), event.thing_name)
        if self._api.find(SECRETS, key) is not None:
            self._api.delete(_USER, SECRETS, key)


def secret_key(namespace: str, thing: str) -> ObjectKey:
    """Of the Secret that holds a thing's credentials in a namespace."""
    return ObjectKey(namespace, f"thing-{thing}")
