"""Keeping the Leases of an operator: renewing its own, watching those of others, and saying what it may run.

A Lease is renewed five times in the time that it lasts, and who waits for one looks at it as often or more often: a
look that is not answered starts its time again. A watch only makes both quicker.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import aclosing, suppress
from dataclasses import dataclass
from typing import Final

from thing_operator.core.clock import Clock
from thing_operator.core.errors import ThingOperatorError, UserError
from thing_operator.core.resource import ObjectKey
from thing_operator.kube.contact import Contact
from thing_operator.kube.errors import ConflictError, InvalidObjectError, NotFoundError
from thing_operator.kube.ports import ApiClient, WatchEvent, WatchRequest, named
from thing_operator.kube.watch_events import BOOKMARK, DELETED
from thing_operator.leadership import words
from thing_operator.leadership.claim import Claim, ClaimKind, Terms
from thing_operator.leadership.lease import LEASE_NAME, LEASES, Lease

log = logging.getLogger(__name__)

_WATCH_PAUSE: Final = 2.0
_DENIED_PAUSE: Final = 60.0
_RELEASE_TIMEOUT: Final = 2.0
_GRACE_MARGIN: Final = 1.0
_GRACE_PAUSE: Final = 0.02
_STOOD_STILL: Final = 3
"""So many times as late as it should be, this process has stood still: what it saw before says nothing."""


async def _nothing(_namespace: str | None) -> None:
    return


@dataclass(frozen=True, slots=True)
class Callbacks:
    """What the operator does when a namespace begins or ceases to be its to run (None: all of them), and how it
    comes to know what others may have written meanwhile.
    """

    changed: Callable[[str | None], None] = lambda _namespace: None
    catch_up: Callable[[str | None], Awaitable[None]] = _nothing


class Leadership:
    """The Leases of one operator. ``namespaces`` empty: all, by the Lease in ``home``.

    ``contact`` says when what is known has to be listed again because the API server was away.
    """

    def __init__(
        self,
        client: ApiClient,
        *,
        namespaces: Sequence[str],
        home: str,
        terms: Terms,
        contact: Contact,
        clock: Clock,
        take_over: bool = False,
    ) -> None:
        self._client = client
        self._terms = terms
        self.contact = contact
        self._clock = clock
        self._take_over = take_over
        kind, places = (ClaimKind.OWN, namespaces) if namespaces else (ClaimKind.HOME, (home,))
        self._claims = {place: self._claim(place, kind) for place in places}
        self._home = None if namespaces else self._claims[home]
        self._is_listed = bool(namespaces)
        """Whether the Leases that others may have in single namespaces are known."""
        self._is_unbroken = True
        """Whether the Lease of all namespaces has been held without a break since those of others were listed."""
        self._is_mended = False
        """Whether they have been listed since a break, and nothing has followed from it yet."""
        self._callbacks = Callbacks()
        self._wake_up = asyncio.Event()
        self._said: dict[str, str] = {}
        self._tasks: list[asyncio.Task[None]] = []

    # --- what it says

    def runs(self, namespace: str) -> bool:
        """Whether this operator runs the Things of a namespace now."""
        claim = self._claims.get(namespace)
        if self._home is None or claim is self._home:
            return claim is not None and claim.runs
        return self._home.runs and (claim is None or claim.runs)

    def may_write(self, namespace: str) -> bool:
        """Whether that is certain enough to write a status: nobody can have taken the Lease meanwhile."""
        claim = self._claims.get(namespace) or self._home
        now = self._clock.monotonic()
        return claim is not None and self.runs(namespace) and claim.is_confirmed(now)

    def claims(self) -> tuple[Claim, ...]:
        """All of them."""
        return tuple(self._claims.values())

    def waits_for(self) -> tuple[tuple[Claim, Lease], ...]:
        """Those that somebody else has, with the Lease as it was seen last."""
        now = self._clock.monotonic()
        found = ((claim, claim.other(now)) for claim in self.claims() if not claim.runs)
        return tuple((claim, lease) for claim, lease in found if lease is not None)

    def counts(self) -> Counter[str]:
        """How many there are in which state: held, waiting, denied."""
        waits = sum(1 for _ in self.waits_for())
        held = sum(claim.runs and claim.is_mine for claim in self.claims())
        denied = sum(claim.runs and bool(claim.denied) for claim in self.claims())
        return Counter(held=held, waiting=waits, denied=denied)

    async def start(self, callbacks: Callbacks) -> Sequence["asyncio.Task[None]"]:
        """Ask for the Leases once, and begin to keep them. What can be had is held before this returns: whatever is
        listed from then on, nobody else changes. The tasks live until :meth:`stop`.
        """
        self._callbacks = callbacks
        if not self._is_listed:
            with suppress(ThingOperatorError, TimeoutError):
                async with asyncio.timeout(self._terms.duration.total_seconds()):
                    await self._list(None)
        await self._attend_all()
        for claim in self.claims():
            claim.needs_list = not (claim.is_mine or claim.denied)
        await self._turn()
        followed = (None,) if self._home else tuple(self._claims)
        self._tasks = [
            asyncio.create_task(self._run(), name="leases"),
            *(asyncio.create_task(self._follow(each), name="lease watch") for each in followed),
        ]
        return self._tasks

    async def wait_for_grace(self) -> None:
        """Wait until what was taken a moment ago is run, or a second longer than that ought to last."""
        taken = [claim for claim in self.claims() if claim.begins_at is not None]
        end = max((claim.begins_at or 0.0 for claim in taken), default=0.0) + _GRACE_MARGIN
        while any(not claim.runs for claim in taken) and self._clock.monotonic() < end:  # noqa: ASYNC110 - bounded
            await asyncio.sleep(_GRACE_PAUSE)

    async def stop(self, *, release: bool = True) -> None:
        """Keep no Lease any more, and ``release`` those that are held, unless another replica goes on."""
        tasks, self._tasks = self._tasks, []
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if release:
            await self._release(self.claims())

    async def _release(self, claims: Iterable[Claim]) -> None:
        with suppress(ThingOperatorError, TimeoutError):
            async with asyncio.timeout(_RELEASE_TIMEOUT):
                await asyncio.gather(*(self._release_one(claim) for claim in claims if claim.is_mine))

    async def _release_one(self, claim: Claim) -> None:
        await self._look(claim)  # the answer to the last renewal may have been lost
        if claim.is_mine and claim.lease is not None:
            await self._client.delete(LEASES, claim.key, version=claim.lease.version)
            claim.see(None, now=self._clock.monotonic())

    async def _run(self) -> None:
        rounds_at = self._clock.monotonic()
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(self._pause(since=rounds_at)):
                    await self._wake_up.wait()
            self._wake_up.clear()
            rounds_at, before = self._clock.monotonic(), rounds_at
            if rounds_at - before > _STOOD_STILL * self._terms.tick.total_seconds():
                for claim in self.claims():
                    claim.interrupted(now=rounds_at)
            try:
                await self._attend_all()
                await self._turn()
            except Exception:
                # An operator without it would run on, and never notice that another one does.
                log.exception("the Leases could not be looked after")

    def _pause(self, *, since: float) -> float:
        now = self._clock.monotonic()
        begins = [claim.begins_at for claim in self.claims() if claim.begins_at is not None]
        return min([since + self._terms.tick.total_seconds(), *(at for at in begins if at > now)]) - now

    async def _attend_all(self) -> None:
        home = self._home
        if home is not None and home.runs and not home.is_confirmed(self._clock.monotonic()):
            self._is_unbroken = False
        await asyncio.gather(*(self._attend(claim) for claim in self.claims()))
        if home is not None and not self._is_unbroken and home.is_confirmed(self._clock.monotonic()):
            # What others have begun meanwhile is theirs.
            with suppress(ThingOperatorError, TimeoutError):
                async with asyncio.timeout(self._terms.duration.total_seconds()):
                    await self._list(None)
                    self._is_mended = True

    async def _attend(self, claim: Claim) -> None:
        try:
            async with asyncio.timeout(2 * self._terms.tick.total_seconds()):
                await self._look_and_write(claim)
        except UserError as error:
            is_nowhere = isinstance(error, NotFoundError)  # for a Lease that is not there is made
            claim.deny(words.NO_NAMESPACE if is_nowhere else error.message, now=self._clock.monotonic())
        except (ThingOperatorError, TimeoutError):
            claim.interrupted(now=self._clock.monotonic())

    async def _look_and_write(self, claim: Claim) -> None:
        waited_for = sum(not each.is_mine for each in self.claims())
        if claim.wants_look(self._clock.monotonic(), interval=self._terms.interval(waited_for)):
            await self._look(claim)
        elif not claim.is_mine:
            return
        interval = self._terms.renewal(sum(each.is_mine or each is claim for each in self.claims()))
        asked_at = self._clock.monotonic()
        if self._is_out_of_place(claim) or not claim.wants_write(
            asked_at, interval=interval, defends=self._defends()
        ):
            return
        body = claim.body(now=self._clock.now(), interval=interval)
        try:
            stored = await self._client.replace(LEASES, claim.key, body, lane=LEASE_NAME)
        except ConflictError:
            await self._look(claim)
        except InvalidObjectError:
            if "resourceVersion" in body["metadata"]:
                raise
            await self._look(claim)  # somebody else has made it
        else:
            claim.written(Lease.of(stored), asked_at=asked_at, now=self._clock.monotonic())

    async def _look(self, claim: Claim) -> None:
        try:
            lease = Lease.of(await self._client.get(LEASES, claim.key))
        except NotFoundError:
            lease = None
        claim.looked(lease, now=self._clock.monotonic())

    def _is_out_of_place(self, claim: Claim) -> bool:
        """Whether it is about one namespace and all are somebody else's."""
        return claim.kind is ClaimKind.LOCAL and not (self._home is not None and self._home.runs)

    def _defends(self) -> bool:
        home = self._home
        return (
            home is not None
            and home.runs
            and self._is_unbroken
            and home.is_confirmed(self._clock.monotonic())
        )

    async def _turn(self) -> None:
        """Stand down where somebody else runs, list what others may have changed, and begin where we may."""
        await self._stand_down()
        if self._is_mended:
            self._is_unbroken, self._is_mended = True, False
        if self.contact.is_outdated and not self.contact.is_lost:
            for claim in self.claims():
                claim.needs_list = True
        may_run = [claim for claim in self.claims() if self._may_run(claim)]
        for namespace in {self._scope(claim) for claim in may_run if claim.needs_list}:
            await self._catch_up(namespace)
        if may_run and not any(claim.needs_list for claim in may_run):
            # Who has to stand down has listed nothing, and what it is at may still be sent.
            self.contact.caught_up()
        for claim in may_run:
            if not claim.runs and not claim.needs_list and self._may_run(claim):
                claim.runs = True
                self._changed(claim)
        self._say()
        self._prune()

    def _running(self) -> list[Claim]:
        return [claim for claim in self.claims() if claim.runs]

    def _may_run(self, claim: Claim) -> bool:
        known = self._is_listed or claim is not self._home
        return known and claim.may_run(self._clock.monotonic(), defends=self._defends())

    async def _stand_down(self) -> None:
        for claim in self._running():
            if not self._may_run(claim):
                claim.runs = False
                other = claim.other(self._clock.monotonic())
                if other is not None:
                    self._say_once(claim, other.holder, words.lost(claim, other))
                self._changed(claim)
        if self._home is not None and not self._home.runs:
            # All are somebody else's: our Leases of single namespaces would keep it from them.
            await self._release(claim for claim in self.claims() if claim.kind is ClaimKind.LOCAL)

    def _prune(self) -> None:
        """Forget the claims on Leases that are absent: home is enough again."""
        for claim in self.claims():
            is_over = claim.kind is ClaimKind.LOCAL and claim.lease is None
            if is_over and self._home is not None and (claim.runs or not self._home.runs):
                del self._claims[claim.key.namespace]

    def _changed(self, claim: Claim) -> None:
        if claim is self._home:
            # The Leases of single namespaces have waited for it.
            self._wake_up.set()
            for each in self.claims():
                each.look_soon()
        self._callbacks.changed(None if claim.kind is ClaimKind.HOME else claim.key.namespace)

    async def _catch_up(self, namespace: str | None) -> None:
        """List what others may have changed in a namespace, or in all; when that fails the next round does it."""
        claims = [claim for claim in self.claims() if self._scope(claim) == namespace]
        for claim in claims:
            claim.needs_list = False  # before: what is taken while the list is under way asks for another one
        try:
            await self._callbacks.catch_up(namespace)
        except ThingOperatorError as error:
            for claim in claims:
                claim.needs_list = True
                self._say_once(claim, "list", f"{words.place_of(claim)}: not begun: {error.message}")

    def _scope(self, claim: Claim) -> str | None:
        """What is listed for a claim: who watches all namespaces lists all."""
        return None if self._home is not None else claim.key.namespace

    async def _follow(self, namespace: str | None) -> None:
        """Watch the Leases of a namespace, or all. What it cannot see the looks do, only later."""
        while True:
            pause = _WATCH_PAUSE
            try:
                version = await self._list(namespace)
                request = WatchRequest(LEASES, namespace, version, query=named(LEASE_NAME))
                async with aclosing(self._client.watch(request)) as events:
                    async for event in events:
                        self._on_event(event)
                continue
            except UserError as error:
                pause = _DENIED_PAUSE
                if not self._is_listed:
                    self._is_listed = True
                    self._wake_up.set()
                    log.warning("operators of single namespaces would not be noticed: %s", error.message)
            except ThingOperatorError as error:
                log.debug("the watch of Leases: %s", error.message)
            except Exception:
                log.exception("the watch of Leases failed unexpectedly")
            await asyncio.sleep(pause)

    async def _list(self, namespace: str | None) -> str:
        version, absent = "", set(self._claims)
        query = {"fieldSelector": f"metadata.name={LEASE_NAME}"}
        async for page in self._client.pages(LEASES, namespace=namespace, query=query, metadata_only=False):
            version = page["metadata"]["resourceVersion"]
            for body in page["items"]:
                absent.discard(body["metadata"]["namespace"])
                self._see(body["metadata"]["namespace"], Lease.of(body))
        for each in absent:
            if namespace in {None, each}:
                self._see(each, None)
        self._is_listed = True
        return version

    def _on_event(self, event: WatchEvent) -> None:
        if event.kind != BOOKMARK:
            lease = None if event.kind == DELETED else Lease.of(event.body)
            self._see(event.body["metadata"]["namespace"], lease)

    def _see(self, namespace: str, lease: Lease | None) -> None:
        claim = self._claims.get(namespace)
        if claim is None:
            if lease is None or self._home is None:
                return
            claim = self._claims[namespace] = self._claim(namespace, ClaimKind.LOCAL)
            # Whoever has made it now has made it beside us.
            claim.runs = self._home.runs and self._is_listed
        before = claim.lease
        claim.see(lease, now=self._clock.monotonic())
        if before is None or claim.lease is None or before.holder != claim.lease.holder:
            claim.look_soon()
            self._wake_up.set()

    def _claim(self, namespace: str, kind: ClaimKind) -> Claim:
        take_over = self._take_over and not (kind is ClaimKind.LOCAL and self._is_listed)
        return Claim(ObjectKey(namespace, LEASE_NAME), kind, self._terms, take_over=take_over)

    def _say(self) -> None:
        now = self._clock.monotonic()
        for claim in self.claims():
            other = claim.other(now)
            if claim.runs and claim.denied:
                self._say_once(claim, claim.denied, words.denied(claim))
            elif other is not None and not claim.runs:
                self._say_once(claim, other.holder, words.waiting(claim, other))
            elif claim.runs and self._said.pop(claim.key.namespace, ""):
                log.info("%s: run by this operator from now on", words.place_of(claim))

    def _say_once(self, claim: Claim, cause: str, text: str) -> None:
        if self._said.get(claim.key.namespace) != cause:
            self._said[claim.key.namespace] = cause
            log.warning("%s", text)
