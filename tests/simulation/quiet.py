"""What is looked at once nothing has happened for a while: whether everything has come to where it belongs."""

import base64
import ssl
from collections.abc import Collection
from hashlib import sha256
from typing import Any, Protocol

from tests.simulation.api_model import Object
from tests.simulation.broker_model import BROKER, BrokerModel
from tests.simulation.certificates import secret_key
from tests.simulation.invariants import Invariant, Invariants, condition
from tests.simulation.job_rules import check_jobs
from tests.simulation.jobs_model import JobsModel
from tests.simulation.lives import Life, edit_of, leaves, policy_of, satisfies

from thing_operator.api.names import BATCHES, THINGS
from thing_operator.core.resource import ObjectKey, Resource
from thing_operator.kube.resources import SECRETS


class QuietApi(Protocol):
    """What the API server has: a model's, or a real one's."""

    def get(self, resource: Resource, key: ObjectKey) -> Object:
        """One object that is there."""

    def listed(self, resource: Resource) -> list[Object]:
        """All of a kind."""


class QuietBroker(Protocol):
    """What the broker and the shadow service have: a model's, or real ones'."""

    def fingerprint(self, thing: str) -> str | None:
        """Of the certificate that a thing is connected with; None when it is not."""

    def serves(self, parent: str, child: str) -> bool:
        """Whether a thing is connected, and follows the shadow of this networked child, too."""

    def state(self, thing: str) -> dict[str, Any]:
        """Desired and reported as they are."""

    def version(self, thing: str) -> int | None:
        """The shadow's version; None when there is no shadow."""


class QuietCheck:
    """The rules about the end of a simulation."""

    def __init__(
        self,
        api: QuietApi,
        broker: QuietBroker,
        invariants: Invariants,
        left_broken: Collection[ObjectKey] = (),
        jobs: JobsModel | None = None,
    ) -> None:
        """``left_broken``: Secrets that hold no credentials. ``jobs``: where things have any."""
        self._left_broken = left_broken
        self._api = api
        self._broker = broker
        self._jobs = jobs
        self._invariants = invariants

    def run(self) -> None:
        """Look at everything."""
        lives = self._invariants.lives
        for thing in sorted({life.thing for life in lives.all.values()}):
            self._check_one(thing, [life for life in lives.current.values() if life.thing == thing])
        for life in lives.all.values():
            if life.ended_at is not None:
                self._check_ended(life)
        for batch in self._api.listed(BATCHES):
            self._check_batch(batch)

    def _check_one(self, thing: str, alive: list[Life]) -> None:
        if alive and alive[0].parent is not None:
            self._check_child(alive[0])
        else:
            self._check_thing(thing, alive)

    def _check_batch(self, batch: Object) -> None:
        """MIC makes nothing here, so a ThingBatch ends with that, or in doubt."""
        name, ready = batch["metadata"]["name"], condition(batch["status"], "Ready")
        if ready.get("reason") not in {"OrderFailed", "OrderUnknown"}:
            self._say(Invariant.STATUS_TRUE, f"{name}: {ready}")

    def _check_thing(self, thing: str, alive: list[Life]) -> None:
        wanting = [life for life in alive if not life.spec.get("suspend") and not life.deleting]
        able = [life for life in wanting if not self._is_broken(life)]
        holders = []
        for life in alive:
            status = self._api.get(THINGS, life.key)["status"]
            self._check_status(life, status, able=life in wanting)
            if condition(status, "Connected").get("status") == "True":
                holders.append(life)
        # One whose Secret was spoiled may go on with what it had.
        is_one = len(holders) == 1 if able else len(holders) <= 1
        if not is_one or not set(map(id, holders)) <= set(map(id, wanting)):
            self._say(Invariant.ONE_SESSION, f"{thing}: connected {_tags(holders)}, able {_tags(able)}")
        if (self._broker.fingerprint(thing) is not None) != bool(holders):
            self._say(
                Invariant.ONE_SESSION, f"{thing}: connected {_tags(holders)}, and the broker has it otherwise"
            )
        for life in (each for each in holders if each in able):
            status = self._api.get(THINGS, life.key)["status"]
            self._check_shadow(life, status)
            if self._jobs is not None:
                check_jobs(self._jobs, life, status, self._say)

    def _check_child(self, life: Life) -> None:
        """A networked child: it is connected if it is to be, and its parent is."""
        status, connected = self._api.get(THINGS, life.key)["status"], False
        assert life.parent is not None
        parent = self._invariants.lives.current.get(life.parent)
        if parent is not None and not parent.spec.get("suspend"):
            shown = condition(self._api.get(THINGS, parent.key)["status"], "Connected")
            connected = shown.get("status") == "True"
        able = connected and not life.spec.get("suspend") and not life.deleting
        self._check_status(life, status, able=able)
        if (condition(status, "Connected").get("status") == "True") != able:
            self._say(Invariant.ONE_SESSION, f"{life.tag}, {able=}: {condition(status, 'Connected')}")
        ready = condition(status, "Ready").get("reason")
        if parent is None and not life.spec.get("suspend") and ready != "ParentMissing":
            self._say(Invariant.STATUS_TRUE, f"{life.tag} has no parent: {ready}")
        if parent is not None and connected and self._broker.serves(parent.thing, life.thing) != able:
            self._say(
                Invariant.ONE_SESSION, f"{life.tag}, {able=}, and its parent's session has it otherwise"
            )
        if able:
            self._check_shadow(life, status)

    def _check_status(self, life: Life, status: dict[str, Any], *, able: bool) -> None:
        generation = self._api.get(THINGS, life.key)["metadata"]["generation"]
        if life.deleting:
            self._say(Invariant.DELETED, f"{life.tag} is still there")
            return
        if status.get("observedGeneration") != generation:
            self._say(
                Invariant.STATUS_TRUE,
                f"{life.tag}: observed {status.get('observedGeneration')} of {generation}",
            )
        if self._is_broken(life) and able and condition(status, "CredentialsValid").get("status") != "False":
            self._say(Invariant.STATUS_TRUE, f"{life.tag}: {condition(status, 'CredentialsValid')}")
        if not able and condition(status, "Connected").get("status") == "True":
            self._say(Invariant.STATUS_TRUE, f"{life.tag} is shown as connected and cannot be")

    def _check_shadow(self, life: Life, status: dict[str, Any]) -> None:
        state = self._broker.state(life.thing)
        desired, policy = state.get("desired", {}), policy_of(life.spec)
        ready = condition(status, "Ready")
        if policy in {"Merge", "Exact"} and not satisfies(desired, life.spec):
            self._say(Invariant.CONVERGED, f"{life.tag}: {life.spec} {desired}")
        if ready.get("status") != "True" or ready.get("observedGeneration") != status.get(
            "observedGeneration"
        ):
            self._say(Invariant.STATUS_TRUE, f"{life.tag} is not Ready: {ready}")
        if status.get("acceptedGeneration") != status.get("observedGeneration"):
            self._say(Invariant.STATUS_TRUE, f"{life.tag}: accepted is {status.get('acceptedGeneration')}")
        if status.get("endpoint", {}).get("host") != BROKER:
            self._say(Invariant.STATUS_TRUE, f"{life.tag}: endpoint {status.get('endpoint')}")
        if life.parent is None:
            self._check_credentials(life)
        if policy == "Merge" and life.policies <= {"Merge", "Exact"} and not life.forgotten:
            self._check_orphans(life, desired)
        shown = status.get("shadow", {})
        if (shown.get("version") or None) != self._broker.version(life.thing):
            self._say(
                Invariant.STATUS_TRUE,
                f"{life.tag}: version {shown.get('version')} of {self._broker.version(life.thing)}",
            )
        if (shown.get("reported") or {}) != state.get("reported", {}):
            self._say(
                Invariant.STATUS_TRUE,
                f"{life.tag}: reported {shown.get('reported')} of {state.get('reported')}",
            )

    def _is_broken(self, life: Life) -> bool:
        return secret_key(life.key.namespace, life.thing) in self._left_broken

    def _check_credentials(self, life: Life) -> None:
        secret = self._api.get(SECRETS, secret_key(life.key.namespace, life.thing))
        pem = base64.b64decode(secret["data"]["tls.crt"]).decode()
        fingerprint = sha256(ssl.PEM_cert_to_DER_cert(pem)).hexdigest()
        if self._broker.fingerprint(life.thing) not in {None, fingerprint}:
            self._say(Invariant.CREDENTIALS, f"{life.tag} is connected with others")

    def _check_orphans(self, life: Life, desired: dict[str, Any]) -> None:
        wanted = {path for path, _ in leaves(life.spec.get("desired", {}))}
        for path, value in leaves(desired):
            found = edit_of(value)
            if found is not None and found[0] == life.tag and path not in wanted:
                self._say(Invariant.NO_ORPHAN, f"{life.tag}: {'/'.join(path)} is still {value}")

    def _check_ended(self, life: Life) -> None:
        policy = life.spec.get("deletionPolicy", "Retain")
        if (
            policy == "Retain"
            or life.was_left
            or life.spec.get("suspend")
            or self._was_parent_suspended(life)
            or life.forgotten
            or not life.was_ever_accepted
        ):
            return
        lives = self._invariants.lives.of_thing(life.thing)
        if any(other is not life and other.uid and other.overlaps(life) for other in lives):
            return  # another Thing may have had the session, and then the shadow is that one's
        here = leaves(self._broker.state(life.thing).get("desired", {}))
        left = {path for path, value in here if (edit_of(value) or ("",))[0] == life.tag}
        if life.policies <= {"Merge", "Exact"}:
            for path in sorted(left.union(life.left_behind)):
                self._say(Invariant.DELETED, f"{life.tag} ({policy}) has left {'/'.join(path)} behind")

    def _was_parent_suspended(self, life: Life) -> bool:
        """Whether its parent was ever suspended: then its shadow is left to whoever has the certificate."""
        lives = self._invariants.lives.all.values()
        return any(
            spec.get("suspend") for each in lives if each.key == life.parent for spec in each.specs.values()
        )

    def _say(self, rule: Invariant, words: str) -> None:
        self._invariants.violate(rule, words)


class EarlyCheck(QuietCheck):
    """The same of Things alone, as soon as nothing has to wait any more but what was refused.

    A connection that has died without a word is trouble until its keep-alive is over.
    """

    _broker: BrokerModel

    def run(self) -> None:
        """Look at those that are to be as they should be."""
        current = self._invariants.lives.current
        for thing in sorted({life.thing for life in current.values()}):
            alive = [life for life in current.values() if life.thing == thing]
            concerned = [*alive, *filter(None, (current.get(life.parent) for life in alive if life.parent))]
            if not (self._invariants.may_be_late(thing) or any(map(self._has_to_wait, concerned))):
                self._check_one(thing, alive)

    def _has_to_wait(self, life: Life) -> bool:
        """Whether it is being deleted, or nobody can know yet that its connection has ended; or a networked child at
        whose topics connections have ended, or might have.
        """
        if self._broker.has_died_unnoticed(life.thing):
            return True
        connected = condition(self._api.get(THINGS, life.key)["status"], "Connected")
        return life.deleting or (life.parent is not None and connected.get("reason") == "NotAuthorized")

    def _say(self, rule: Invariant, words: str) -> None:
        super()._say(Invariant.SOON, f"{rule.name}: {words}")


def _tags(lives: list[Life]) -> list[str]:
    return [life.tag for life in lives]
