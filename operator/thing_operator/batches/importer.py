"""Writing what a batch asks for: Secrets and Things made, changed or left alone, a few at a time."""

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from copy import copy
from types import TracebackType
from typing import Any, Self

from thing_operator.api.names import THINGS
from thing_operator.api.thingbatch import BatchThing, RetainOrDelete, ThingBatchSpec, ThingResult
from thing_operator.batches.children import (
    CHILD_LIMIT,
    BatchIdentity,
    Body,
    KnownSecret,
    ThingFiles,
    changes_to,
    has_content,
    holds,
    is_after_template,
    name_of_thing,
    secret_body,
    thing_body,
    with_template_hash,
)
from thing_operator.batches.parallel import Item, Parallel, Result
from thing_operator.batches.templates import check_templates
from thing_operator.core.errors import ThingOperatorError
from thing_operator.core.json_bytes import encode
from thing_operator.core.memory_budget import Held, MemoryBudget
from thing_operator.core.resource import ObjectKey, Resource
from thing_operator.core.thing_names import secret_name
from thing_operator.kube.errors import AdmissionError, ConflictError, NotFoundError, RefusedObjectError
from thing_operator.kube.ports import ApiClient
from thing_operator.kube.resources import SECRETS
from thing_operator.kube.snapshot import ObjectSnapshot

_PAGE = "500"


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
        budget: MemoryBudget,
        parallel: Parallel,
        prefixes: tuple[str, ...] | None,
    ) -> None:
        """``budget``: what is held for the import is on its account, until the end of the ``with`` block;
        ``prefixes``: of labels and annotations that templates may have, None for any. Raises TemplateNotAllowedError.
        """
        check_templates(spec, prefixes=prefixes)
        self._client = client
        self._batch = BatchIdentity(snapshot.key, snapshot.uid)
        self._spec = spec
        self._parallel = parallel
        self._held = budget.hold(Held.ZIP, snapshot.key.namespace)
        self._secrets: dict[str, KnownSecret] = {}
        self._things: dict[str, Mapping[str, Any]] = {}
        self._in_place = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._held.release()

    @property
    def namespace(self) -> str:
        """Of the ThingBatch and its children."""
        return self._batch.key.namespace

    def hold(self, size: int) -> Callable[[int], None]:
        """Hold so many bytes more, for as long as the import takes. Raises MemoryBudgetExceededError.

        Returns a function that takes how many they are by now, for what grows.
        """
        before = self._held.size
        self._held.resize(before + size)
        return lambda now: self._held.resize(before + now)

    async def load(self) -> None:
        """List the children there are; of what Secrets hold nothing is kept.

        Raises what the API server client raises, and MemoryBudgetExceededError.
        """
        namespace, selector = self._batch.key.namespace, self._batch.selector
        query = {"limit": _PAGE, "labelSelector": selector}
        pages = self._client.pages(SECRETS, namespace=namespace, query=query, metadata_only=False)
        async for page in pages:
            found = {body["metadata"]["name"]: KnownSecret.of(body) for body in page["items"]}
            self.hold(sum(len(encode(each.metadata)) for each in found.values()))
            self._secrets |= found
        query = {"limit": _PAGE, "labelSelector": selector}
        pages = self._client.pages(THINGS, namespace=namespace, query=query, metadata_only=True)
        async for page in pages:
            self.hold(len(encode(page)))
            self._things |= {body["metadata"]["name"]: body for body in page["items"]}

    def has_secret(self, thing_name: str) -> bool:
        """Whether the Secret of a thing is there and holds something."""
        known = self._secrets.get(secret_name(thing_name))
        if known is None or known.digest is None:
            return False
        return name_of_thing({"metadata": known.metadata}) in {None, thing_name}

    async def content(self, thing_name: str) -> Mapping[str, str]:
        """What the Secret of a thing holds now, base64 as the API server has it; nothing when it is too large."""
        name = secret_name(thing_name)
        if self._secrets[name].too_large:
            return {}
        body = await self._client.get(SECRETS, ObjectKey(self._batch.key.namespace, name))
        data: Mapping[str, str] = body.get("data") or {}
        return data

    @property
    def thing_names(self) -> frozenset[str]:
        """The things that have a Secret or a Thing of this batch."""
        return self._with_secret | self._with_thing

    @property
    def is_whole(self) -> bool:
        """Whether every Thing of this batch has its Secret, and there is one at all."""
        return bool(self._with_secret) and self._with_thing <= self._with_secret

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
        except (RefusedObjectError, AdmissionError) as error:
            return result.model_copy(update={"result": ThingResult.REFUSED, "message": error.message})
        self._in_place += 1
        return result

    async def put_all(self, files: Sequence[ThingFiles]) -> list[BatchThing]:
        """:meth:`put` for each thing, a few at a time. What is raised says how many are in place."""
        try:
            return await self.for_each(files, self.put)
        except ThingOperatorError as error:
            cut_short = copy(error)
            cut_short.message += f"; {self._in_place} of {len(files)} things are imported so far"
            raise cut_short from None

    async def for_each(
        self, items: Sequence[Item], work: Callable[[Item], Awaitable[Result]]
    ) -> list[Result]:
        """``work`` for all items, as :meth:`Parallel.for_each` does it in the turns of this namespace."""
        return await self._parallel.for_each(self.namespace, items, work)

    async def prune(self, keep: AbstractSet[str], *, imported_before: AbstractSet[str]) -> frozenset[str]:
        """Delete the children whose thing is no longer in the zip, if the policy says so.

        Only those that this very ThingBatch has imported: one of the same name may have left others behind, with keys
        that nobody can get again. Returns the names of these objects, which are left.
        """
        if self._spec.prune_policy is not RetainOrDelete.DELETE:
            return frozenset()
        mine: list[tuple[Resource, Mapping[str, Any]]] = []
        left: set[str] = set()
        secrets = [(SECRETS, {"metadata": known.metadata}) for known in self._secrets.values()]
        for resource, body in [*secrets, *((THINGS, body) for body in self._things.values())]:
            thing = name_of_thing(body)
            if thing in keep:
                continue
            if thing in imported_before or self._batch.has_imported(body):
                mine.append((resource, body["metadata"]))
            else:
                left.add(body["metadata"]["name"])
        await self.for_each(mine, self._delete)
        return frozenset(left)

    async def _delete(self, child: tuple[Resource, Mapping[str, Any]]) -> None:
        resource, meta = child
        await self._client.delete(resource, ObjectKey.of(meta), uid=meta["uid"])

    @property
    def _with_secret(self) -> frozenset[str]:
        return _names_of({"metadata": known.metadata} for known in self._secrets.values())

    @property
    def _with_thing(self) -> frozenset[str]:
        return _names_of(self._things.values())

    async def _put_secret(self, wanted: Body) -> None:
        try:
            await self._create_or_change(wanted)
        except NotFoundError:
            name = wanted["metadata"]["name"]
            raise ConflictError(f"Secret {name} was deleted while it was being written") from None

    async def _create_or_change(self, wanted: Body) -> None:
        existing = self._secrets.get(wanted["metadata"]["name"])
        if existing is None:
            try:
                # Making it is the question whether there is one: nobody can come in between.
                await self._client.create(SECRETS, self._batch.key.namespace, wanted)
            except ConflictError:
                found = await self._client.get(SECRETS, self._key(wanted))
                self._check_owned(found, wanted)
                existing = KnownSecret.of(found)
            else:
                return
        self._check_thing({"metadata": existing.metadata}, wanted)
        if existing.too_large:
            raise InTheWayError(
                f"Secret {wanted['metadata']['name']} has {existing.too_large} bytes, more than the {CHILD_LIMIT} of a "
                "certificate and its key: delete it, and it is created again within ten minutes"
            )
        if existing.immutable and not has_content(existing, wanted):
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
        existing = self._things.get(name)
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
                "delete it, and it is made within ten minutes; if it is needed, store it under another name first"
            )

    def _check_thing(self, existing: Mapping[str, Any], wanted: Body) -> None:
        """Long names that are no object names are cut and get a hash: two may come to one name."""
        name, other = name_of_thing(wanted), name_of_thing(existing)
        if other is not None and other != name:
            raise InTheWayError(
                f"Secret {wanted['metadata']['name']} is that of thing {other}, and the names of both come to this "
                "one: import one of the two by a ThingBatch in another namespace"
            )

    def _key(self, wanted: Body) -> ObjectKey:
        return ObjectKey(self._batch.key.namespace, wanted["metadata"]["name"])


def _names_of(bodies: Iterable[Mapping[str, Any]]) -> frozenset[str]:
    return frozenset(name for name in map(name_of_thing, bodies) if name)
