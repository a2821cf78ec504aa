"""Writing what a batch asks for: Secrets and Things made, changed or left alone, a few at a time."""

from collections.abc import Mapping, Sequence
from copy import copy
from typing import Any

from thing_operator.api.names import THINGS
from thing_operator.api.thingbatch import BatchThing, RetainOrDelete, ThingBatchSpec, ThingResult
from thing_operator.batches.children import (
    BatchIdentity,
    Body,
    ThingFiles,
    changes_to,
    holds,
    is_after_template,
    name_of_thing,
    secret_body,
    thing_body,
    with_template_hash,
)
from thing_operator.batches.parallel import for_each
from thing_operator.batches.templates import check_templates
from thing_operator.core.errors import ThingOperatorError
from thing_operator.core.resource import ObjectKey, Resource
from thing_operator.credentials.names import secret_name
from thing_operator.kube.errors import AdmissionError, ConflictError, InvalidObjectError, NotFoundError
from thing_operator.kube.ports import ApiClient
from thing_operator.kube.resources import SECRETS
from thing_operator.kube.snapshot import ObjectSnapshot


class InTheWayError(Exception):
    """An object of that name is there that must not or cannot be overwritten; the text says what to do."""


class Importer:
    """The children of one ThingBatch on the API server, as they were at the start of the reconcile."""

    def __init__(
        self,
        client: ApiClient,
        snapshot: ObjectSnapshot,
        spec: ThingBatchSpec,
        *,
        prefixes: tuple[str, ...] | None = None,
    ) -> None:
        """``prefixes``: of labels and annotations that templates may have, None for any.

        Raises TemplateNotAllowedError.
        """
        check_templates(spec, prefixes=prefixes)
        self._client = client
        self._batch = BatchIdentity(snapshot.key, snapshot.uid)
        self._spec = spec
        self._existing: dict[Resource, dict[str, Mapping[str, Any]]] = {}
        self._in_place = 0

    async def load(self) -> None:
        """List the children there are; raises what the API server client raises."""
        for resource in (SECRETS, THINGS):
            found = await self._client.list(
                resource, namespace=self._batch.key.namespace, label_selector=self._batch.selector
            )
            self._existing[resource] = {body["metadata"]["name"]: body for body in found}

    def kept(self, thing_name: str) -> Mapping[str, str] | None:
        """What the Secret of a thing holds that was imported before, None when it is not there any more."""
        body = self._existing[SECRETS].get(secret_name(thing_name))
        data: Mapping[str, str] | None = body.get("data") if body else None
        return data

    @property
    def thing_names(self) -> frozenset[str]:
        """The things that have a Secret or a Thing of this batch."""
        return self._things_with(SECRETS) | self._things_with(THINGS)

    @property
    def is_whole(self) -> bool:
        """Whether every Thing of this batch has its Secret, and there is one at all."""
        with_secret = self._things_with(SECRETS)
        return bool(with_secret) and self._things_with(THINGS) <= with_secret

    async def put(self, files: ThingFiles) -> BatchThing:
        """Have Secret and, on request, Thing of one folder as wanted; says what became of it."""
        secret = secret_body(self._batch, self._spec, files)
        result = BatchThing(
            name=files.thing_name,
            secret_name=secret["metadata"]["name"],
            fingerprint=files.fingerprint,
            not_after=files.not_after,
            result=ThingResult.IMPORTED,
            message=files.note,
        )
        try:
            await self._put_secret(secret)
            if self._spec.things and self._spec.things.create:
                await self._put_thing(
                    with_template_hash(thing_body(self._batch, self._spec, thing_name=files.thing_name))
                )
        except InTheWayError as error:
            return result.model_copy(update={"result": ThingResult.CONFLICT, "message": str(error)})
        except (InvalidObjectError, AdmissionError) as error:
            return result.model_copy(update={"result": ThingResult.REFUSED, "message": error.message})
        self._in_place += 1
        return result

    async def put_all(self, files: Sequence[ThingFiles]) -> list[BatchThing]:
        """:meth:`put` for each thing, a few at a time. What is raised says how many are in place."""
        try:
            return await for_each(files, self.put)
        except ThingOperatorError as error:
            cut_short = copy(error)
            cut_short.message += f"; {self._in_place} of {len(files)} things are imported so far"
            raise cut_short from None

    async def prune(self, keep: set[str]) -> None:
        """Delete the children whose thing is no longer in the zip, if the policy says so."""
        if self._spec.prune_policy is not RetainOrDelete.DELETE:
            return
        out = [
            (resource, body["metadata"])
            for resource, found in self._existing.items()
            for body in found.values()
            if name_of_thing(body) not in keep
        ]
        await for_each(out, self._delete)

    async def _delete(self, child: tuple[Resource, Mapping[str, Any]]) -> None:
        resource, meta = child
        await self._client.delete(resource, ObjectKey(meta["namespace"], meta["name"]), uid=meta["uid"])

    def _things_with(self, resource: Resource) -> frozenset[str]:
        found = (name_of_thing(body) for body in self._existing[resource].values())
        return frozenset(name for name in found if name)

    async def _put_secret(self, wanted: Body) -> None:
        try:
            await self._create_or_change(wanted)
        except NotFoundError:
            name = wanted["metadata"]["name"]
            raise ConflictError(f"Secret {name} was deleted while it was being written") from None

    async def _create_or_change(self, wanted: Body) -> None:
        existing = self._existing[SECRETS].get(wanted["metadata"]["name"])
        if existing is None:
            try:
                # Making it is the question whether there is one: nobody can come in between.
                await self._client.create(SECRETS, self._batch.key.namespace, wanted)
            except ConflictError:
                existing = await self._client.get(SECRETS, self._key(wanted))
                self._check_owned(existing, wanted)
            else:
                return
        if existing.get("immutable") and existing.get("data") != wanted["data"]:
            raise InTheWayError(
                f"Secret {wanted['metadata']['name']} is immutable and holds another certificate or key than the zip: "
                "delete it, and it is created again within ten minutes"
            )
        if not holds(existing, wanted):
            await self._client.json_patch(SECRETS, self._key(wanted), changes_to(existing, wanted))

    async def _put_thing(self, wanted: Body) -> None:
        existing = await self._existing_thing(wanted)
        if existing is None or not is_after_template(existing, wanted):
            await self._client.apply(THINGS, self._key(wanted), wanted)

    async def _existing_thing(self, wanted: Body) -> Mapping[str, Any] | None:
        """The Thing of that name, None when there is none; raises InTheWayError when it is another's."""
        name = wanted["metadata"]["name"]
        existing = self._existing[THINGS].get(name)
        if existing is not None:
            return existing
        try:
            existing = await self._client.get(THINGS, self._key(wanted))
        except NotFoundError:
            return None
        self._check_owned(existing, wanted)
        return existing

    def _check_owned(self, existing: Mapping[str, Any], wanted: Body) -> None:
        if not self._batch.owns(existing):
            raise InTheWayError(
                f"{wanted['kind']} {wanted['metadata']['name']} is there and was not made by this ThingBatch: "
                "delete or rename it"
            )

    def _key(self, wanted: Body) -> ObjectKey:
        return ObjectKey(self._batch.key.namespace, wanted["metadata"]["name"])
