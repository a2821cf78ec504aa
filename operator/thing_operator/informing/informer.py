"""One kind of object as the API server has it: list and watch keep a cache, and what differs is enqueued.

Nothing older than what is known is taken, whichever way it comes (``informing.history``).
"""

import logging
from collections import defaultdict
from collections.abc import AsyncGenerator, Callable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from contextlib import aclosing
from dataclasses import replace
from typing import Any

from thing_operator.core.clock import Clock
from thing_operator.core.resource import ObjectKey, ObjectRef, Resource
from thing_operator.core.resource_versions import is_older, version_number
from thing_operator.informing.cache import ObjectCache
from thing_operator.informing.echo import possible_echo, repeats
from thing_operator.informing.history import History, ListRequest
from thing_operator.informing.share import EVERYTHING, Share, shard_key, shard_key_of
from thing_operator.kube.errors import ShardSelectorError
from thing_operator.kube.ports import ApiClient, Enqueue, WatchEvent
from thing_operator.kube.snapshot import ObjectSnapshot
from thing_operator.kube.status_writer import StatusWriter
from thing_operator.kube.watch_events import DELETED

log = logging.getLogger(__name__)

_PAGE = "500"
"""Objects of a page of a list: bodies are heavy."""


class Informer:
    """Takes watch events and lists of one kind. ``namespaces`` empty: all; ``share``: which of their objects."""

    def __init__(
        self,
        client: ApiClient,
        resource: Resource,
        *,
        namespaces: Sequence[str],
        cache: ObjectCache,
        writer: StatusWriter,
        enqueue: Enqueue,
        clock: Clock,
        share: Callable[[], Share] = lambda: EVERYTHING,
    ) -> None:
        self.resource = resource
        self.cache = cache
        self.share = share
        self._client = client
        self._namespaces = namespaces
        self._writer = writer
        self._enqueue = enqueue
        self._clock = clock
        self._selects = True
        self._histories: defaultdict[str | None, History] = defaultdict(History)
        """By namespace, None where all are watched together."""

    def on_event(self, change: str | None, body: Mapping[str, Any]) -> None:
        """A watch event: ADDED, MODIFIED or DELETED, or None for an object of a list."""
        if not self.share().keeps(shard_key(body)):
            return  # any more: it has waited its turn
        snapshot = ObjectSnapshot.from_body(body)
        if change == DELETED:
            self._history(snapshot.key).see(snapshot.version)
            self._remove(snapshot)
        else:
            self._put(snapshot, body)

    def on_deleted(self, ref: ObjectRef) -> None:
        """Somebody else has found that this object is no longer there."""
        snapshot = self.cache.get(ref.key)
        if ref.resource == self.resource and snapshot is not None and snapshot.uid == ref.uid:
            self._remove(snapshot)

    def absorbs(self, event: WatchEvent) -> bool:
        """Whether an event says nothing but a newer version of what is kept, as the echo of a status write does.

        Then it is taken by this; any other is still to come to :meth:`on_event`.
        """
        if event.kind == DELETED:
            return False
        meta = event.body["metadata"]
        kept = self.cache.get(ObjectKey(meta.get("namespace", ""), meta["name"]))
        if kept is None or kept.uid != meta["uid"] or kept.generation != meta.get("generation"):
            return False
        snapshot = ObjectSnapshot.from_body(event.body)
        if snapshot != kept:
            return False
        if self._renew(snapshot, kept):
            self._writer.seed(self._ref(snapshot), event.body.get("status") or {}, version=snapshot.version)
        return True

    def absorbs_line(self, line: bytes) -> str | None:
        """The version of an event that :meth:`absorbs` would take, if that can be seen without decoding it, else None;
        then it is taken by this.
        """
        echo = possible_echo(line)
        kept = self.cache.get(echo.key) if echo is not None else None
        if echo is None or kept is None or not repeats(line, echo, kept):
            return None
        if self._writer.takes_seed(self._ref(kept)):
            return None
        self._renew(replace(kept, version=int(echo.version)), kept)
        return echo.version

    def _renew(self, snapshot: ObjectSnapshot, kept: ObjectSnapshot) -> bool:
        """Take the version of what is the same otherwise; False of an older one."""
        self._history(snapshot.key).see(snapshot.version)
        is_newer = not is_older(snapshot.version, kept.version)
        if is_newer:
            self.cache.renew(snapshot)
        return is_newer

    async def relist_namespace(self, namespace: str | None) -> str:
        """Take what is listed of a namespace (None: of all) and drop what is not; returns the version to watch from.

        Raises what the API server answers, and StaleListError.
        """
        share, number = self.share(), None
        history = self._histories[namespace]
        request = history.request_list(share.has, now=self._clock.monotonic())
        before, listed = {each.uid for each in self._in(namespace)}, set[str]()
        version = ""
        async for page in self._pages(namespace, share):
            version = _version_of(page)
            number = version_number(version)
            if history.is_set_back(number, request):
                history, request = self._restart(namespace, request)
            if not history.admits(number, request):
                return version
            listed.update(self._take(page, share, request))
        self._remove_unlisted(namespace, listed, number, lambda kept: request.covers(kept.uid), before=before)
        history.take_list(number, request)
        return version

    async def list_members(self, namespace: str | None, selector: str) -> str:
        """Take what is listed of the objects that belong to others, which ``selector`` picks by a field, and drop what
        is not; returns the version to watch from. Raises what the API server answers.
        """
        request = self._histories[namespace].request_list(lambda _uid: False, now=self._clock.monotonic())
        before, listed, version = {each.uid for each in self._in(namespace)}, set[str](), ""
        query = {"limit": _PAGE, "fieldSelector": selector}
        pages = self._client.pages(self.resource, namespace=namespace, query=query, metadata_only=False)
        async with aclosing(pages):
            async for page in pages:
                version = _version_of(page)
                listed.update(self._take(page, self.share(), request))
        number = version_number(version)
        self._remove_unlisted(namespace, listed, number, lambda kept: bool(kept.parent), before=before)
        return version

    async def list_part(self, namespace: str | None, part: Share) -> None:
        """Take what is listed of objects that belong to the share from now on, and drop what is not: all others stay.

        The watch is to go on from where it was before. Raises what the API server answers, and StaleListError.
        """
        history, number = self._histories[namespace], None
        request, listed = history.request_list(part.has, now=self._clock.monotonic()), set[str]()
        async for page in self._pages(namespace, part):
            number = version_number(_version_of(page))
            history.admits(number, request)
            listed.update(self._take(page, part, request))
        # One that was deleted while it was another's is kept where a list from before then has arrived meanwhile.
        self._remove_unlisted(namespace, listed, number, lambda kept: request.covers(kept.uid))
        history.take_part(number, request)

    def drop(self, part: Share) -> None:
        """Forget the objects that do not belong to the share any more, without a word to anybody but to what belonged
        to one that is deleted: it is on its own now.
        """
        for kept in self.cache:
            key = shard_key_of(kept)
            if key is not None and part.has(key):
                self.cache.drop(kept.key)
                self._writer.drop(self._ref(kept))
        for child in self.cache.forget_owners(part.has):
            self._enqueue(child)

    def selectors(self, share: Share) -> dict[str, str]:
        """The ``shardSelector`` of a request for the objects of ``share``; empty where none is asked for."""
        return {"shardSelector": share.selector} if self._selects and share.selector else {}

    def forgo_selector(self, error: ShardSelectorError) -> None:
        """Ask without ``shardSelector`` from now on: the API server sends more, of which the rest is dropped."""
        if self._selects:
            log.error("other replicas' %s come along from now on: %s", self.resource.plural, error.message)
            self._selects = False

    async def _pages(self, namespace: str | None, share: Share) -> AsyncGenerator[dict[str, Any], None]:
        selectors = self.selectors(share)
        query = {"limit": _PAGE} | selectors
        pages = self._client.pages(self.resource, namespace=namespace, query=query, metadata_only=False)
        try:
            async with aclosing(pages):
                async for page in pages:
                    yield page
        except ShardSelectorError as error:
            if not selectors:
                raise
            self.forgo_selector(error)
            async for page in self._pages(namespace, share):
                yield page

    def _take(self, page: Mapping[str, Any], share: Share, request: ListRequest) -> list[str]:
        """Take the objects of a page that still belong to our share; returns the uids of all that are in ``share``."""
        bodies = [body for body in page["items"] if share.keeps(shard_key(body))]
        now = self.share()
        for body in bodies:
            if now is share or now.keeps(shard_key(body)):
                self._put(ObjectSnapshot.from_body(body), body, request=request)
        return [body["metadata"]["uid"] for body in bodies]

    def _remove_unlisted(
        self,
        namespace: str | None,
        listed: AbstractSet[str],
        number: int | None,
        covers: Callable[[ObjectSnapshot], bool],
        *,
        before: AbstractSet[str] = frozenset(),
    ) -> None:
        """Remove what a list of this version covers and does not show; ``before``: the uids kept when it was asked."""
        for kept in self._in(namespace):
            # Missed is what was there already: by its version, or where that says nothing, when it was asked.
            comparable = kept.version is not None and number is not None
            was_there = not is_older(number, kept.version) if comparable else kept.uid in before
            if was_there and kept.uid not in listed and covers(kept):
                self._remove(kept)

    def _restart(self, namespace: str | None, request: ListRequest) -> tuple[History, ListRequest]:
        """Begin again with an API server that was set back; the list asked for then is the first thing known."""
        log.warning(
            "the API server goes on showing an older state of %s than before, as one does that was restored from"
            " a backup: it is taken for the truth",
            self.resource.plural,
        )
        history = self._histories[namespace] = History()
        self.cache.forget_versions(namespace)
        return history, history.request_list(request.covers, now=request.asked_at)

    def _in(self, namespace: str | None) -> Iterator[ObjectSnapshot]:
        return (each for each in self.cache if namespace in {None, each.key.namespace})

    def _put(
        self, snapshot: ObjectSnapshot, body: Mapping[str, Any], *, request: ListRequest | None = None
    ) -> None:
        """Take an object unless it is older than what is known; ``request``: of the list that shows it."""
        history, kept = self._history(snapshot.key), self.cache.get(snapshot.key)
        history.see(snapshot.version)
        is_kept = kept is not None and kept.uid == snapshot.uid
        if kept is not None and is_older(snapshot.version, kept.version):
            return
        if not is_kept and history.is_over(snapshot.uid, snapshot.version, request=request):
            return
        if kept is not None and not is_kept:
            self._remove(kept)
        ref, status = self._ref(snapshot), body.get("status") or {}
        # What belongs to another object may be another process's, though it was created before our eyes.
        may_be_anothers = request is not None or bool(snapshot.parent)
        self._writer.seed(ref, status, version=snapshot.version, is_listed=may_be_anothers)
        foreign = request is not None and self._writer.detect_foreign_write(
            ref, status, asked_at=request.asked_at
        )
        if self.cache.put(snapshot) or foreign:
            self._enqueue(snapshot.key)

    def _remove(self, snapshot: ObjectSnapshot) -> None:
        self._history(snapshot.key).see_deleted(snapshot.uid, now=self._clock.monotonic())
        kept = self.cache.get(snapshot.key)
        if kept is not None and kept.uid == snapshot.uid:
            self.cache.remove(snapshot.key)
        self._writer.drop(self._ref(snapshot))
        self._enqueue(snapshot.key)

    def _history(self, key: ObjectKey) -> History:
        return self._histories[key.namespace if self._namespaces else None]

    def _ref(self, snapshot: ObjectSnapshot) -> ObjectRef:
        return ObjectRef(self.resource, snapshot.key, snapshot.uid)


def _version_of(page: Mapping[str, Any]) -> str:
    return str(page["metadata"]["resourceVersion"])
