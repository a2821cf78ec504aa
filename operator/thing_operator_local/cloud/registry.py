"""The things of the account and whose certificate is which."""

import asyncio
import os
from collections.abc import Awaitable, Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field, replace

from thing_operator_local.cloud.certificates import ThingAuthority
from thing_operator_local.cloud.shadow_topics import CHILD_MARK
from thing_operator_local.cloud.store import Store
from thing_operator_local.pki import IssuedCredentials, KeyType

_NEXT_NAME = "nextThingNumber"


@dataclass(frozen=True, slots=True)
class Thing:
    """A registered thing. ``credentials`` is None for a networked child, which uses its parent's."""

    name: str
    thing_type: str
    domain: str
    created_at: int
    """Epoch milliseconds."""
    created_by: str
    parent: str | None = None
    attributes: Mapping[str, str] = field(default_factory=dict)
    """Further fields of the MIC API, such as label or externalId, as they were given."""
    credentials: IssuedCredentials | None = None


class Registry:
    """For the loop's thread. ``announce`` tells the broker about new and replaced certificates."""

    def __init__(self, store: Store, authority: ThingAuthority, *, clock_ms: Callable[[], int]) -> None:
        self._store = store
        self._authority = authority
        self._clock_ms = clock_ms
        self._things: dict[str, Thing] = {}
        self._by_fingerprint: dict[str, str] = {}
        self._threads = ThreadPoolExecutor(os.cpu_count(), thread_name_prefix="keys")
        self.announce: Callable[[], Awaitable[None]] = _nobody_listens
        for body in store.things():
            credentials = body.pop("credentials")
            self._remember(
                Thing(**body, credentials=IssuedCredentials(**credentials) if credentials else None)
            )

    def __len__(self) -> int:
        return len(self._things)

    def get(self, name: str) -> Thing | None:
        """The thing of that name."""
        return self._things.get(name)

    def __iter__(self) -> Iterator[Thing]:
        """All things, networked children among them."""
        return iter(list(self._things.values()))

    def owner(self, fingerprint: str) -> str | None:
        """The name of the thing whose certificate has this SHA-256, in lower-case hexadecimal digits."""
        return self._by_fingerprint.get(fingerprint)

    def identities(self) -> dict[str, str]:
        """Fingerprint to thing name, for all valid certificates."""
        return dict(self._by_fingerprint)

    async def create(
        self,
        *,
        thing_type: str,
        domain: str,
        created_by: str,
        name: str | None = None,
        key_type: KeyType = KeyType.RSA,
        parent: str | None = None,
        attributes: Mapping[str, str] | None = None,
    ) -> Thing:
        """Register a thing, with credentials unless it has a parent; ``name`` None for the next number.

        Its certificate works after ``announce``, which the caller awaits once for all it made. Raises KeyError
        when the name is taken.
        """
        if name is not None and name in self._things:
            raise KeyError(name)
        chosen = name or self._next_name()
        thing = Thing(
            chosen, thing_type, domain, self._clock_ms(), created_by, parent, dict(attributes or {})
        )
        self._things[chosen] = thing  # the name is taken from now on, also while its key is being made
        if parent is None:
            try:
                thing = replace(thing, credentials=await self._new_credentials(key_type))
            except BaseException:
                del self._things[chosen]
                raise
        self._keep(thing)
        return thing

    def create_child(self, name: str, *, thing_type: str | None) -> Thing | None:
        """Register a networked child on its first publish; None when it is known or has no known parent."""
        parent = self._things.get(name.rpartition(CHILD_MARK)[0])
        if name in self._things or parent is None:
            return None
        child = Thing(
            name, thing_type or parent.thing_type, parent.domain, self._clock_ms(), parent.name, parent.name
        )
        self._keep(child)
        return child

    async def replace_certificate(self, name: str, *, key_type: KeyType = KeyType.RSA) -> Thing:
        """Give a thing a new certificate and key; the old certificate is worth nothing when this returns.

        Raises KeyError for a thing that is unknown or has no certificate of its own.
        """
        thing = self._things[name]
        if thing.credentials is None:
            raise KeyError(name)
        replaced = replace(thing, credentials=await self._new_credentials(key_type))
        old = self._things[name].credentials  # it may have been deleted meanwhile, which is a KeyError, too
        if old is not None:
            self._by_fingerprint.pop(old.fingerprint, None)
        self._keep(replaced)
        await self.announce()
        return replaced

    async def remove(self, name: str) -> list[str]:
        """Forget a thing and its networked children; returns their names.

        Their certificate is worth nothing and their sessions are closed when this returns. Raises KeyError for a
        thing that is unknown.
        """
        named = self._things[name]
        removed = [named, *(each for each in self if each.parent == name)]
        for thing in removed:
            del self._things[thing.name]
            if thing.credentials is not None:
                self._by_fingerprint.pop(thing.credentials.fingerprint, None)
            self._store.delete_thing(thing.name)
        await self.announce()
        return [thing.name for thing in removed]

    async def _new_credentials(self, key_type: KeyType) -> IssuedCredentials:
        # Making a key gives up the interpreter's lock: threads use all cores.
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, self._authority.thing, key_type)

    def _next_name(self) -> str:
        number = int(self._store.meta(_NEXT_NAME, "1"))
        while f"{number:08}" in self._things:
            number += 1
        self._store.put_meta(_NEXT_NAME, str(number + 1))
        return f"{number:08}"

    def _keep(self, thing: Thing) -> None:
        self._store.put_thing(thing.name, asdict(thing))
        self._remember(thing)

    def _remember(self, thing: Thing) -> None:
        self._things[thing.name] = thing
        if thing.credentials is not None:
            self._by_fingerprint[thing.credentials.fingerprint] = thing.name


async def _nobody_listens() -> None:
    return
