"""A queue of many groups that are served in turn: what one has waiting does not hold up the others. Pure.

The rule is start-time fair queueing: each key that is served moves its group's turn on by one, and the group with the
earliest turn goes next. A group that begins to wait gets the turn that is being served, or its own if that is later:
being idle saves nothing up. A group alone has its keys in the order of their ranks, as in any queue.
"""

from collections import Counter
from collections.abc import Callable, Hashable, Iterator
from itertools import chain
from typing import Generic, TypeVar

from thing_operator.core.keyed_heap import KeyedHeap

K = TypeVar("K", bound=Hashable)
R = TypeVar("R", float, tuple[bool, float])


class FairQueue(Generic[K, R]):
    """Keys by group, in each group the lowest rank first; what is done takes O(log n).

    ``group_of`` says whose a key is: a namespace. ``head_start``: how many turns early a group goes when its first key
    has this rank. So what is urgent passes the others, and a group with nothing but urgent keys not for ever.
    """

    def __init__(
        self, group_of: Callable[[K], str], *, head_start: Callable[[R], float] = lambda _rank: 0.0
    ) -> None:
        self._group_of = group_of
        self._head_start: Callable[[R], float] = head_start
        self._groups: dict[str, KeyedHeap[K, R]] = {}
        self._waiting: KeyedHeap[str, float] = KeyedHeap()
        """The groups with keys, by turn less head start."""
        self._turns: dict[str, float] = {}
        """Of the groups that were served or have keys, since the queue was empty last."""
        self._now = 0.0

    def __bool__(self) -> bool:
        return bool(self._groups)

    def __len__(self) -> int:
        return sum(map(len, self._groups.values()))

    def __contains__(self, key: K) -> bool:
        return key in self._groups.get(self._group_of(key), ())

    def ranks(self) -> Iterator[R]:
        """The rank of every key, in no order."""
        return chain.from_iterable(keys.ranks() for keys in self._groups.values())

    def first_rank(self, group: str) -> R | None:
        """The lowest rank of a group's keys, None when it has none."""
        first = self._groups[group].first() if group in self._groups else None
        return first[1] if first else None

    def put(self, key: K, rank: R) -> None:
        """Add a key, or give it another rank."""
        group = self._group_of(key)
        keys = self._groups.get(group)
        if keys is None:
            keys = self._groups[group] = KeyedHeap()
            self._turns[group] = max(self._now, self._turns.get(group, 0.0))
        keys.put(key, rank)
        self._line_up(group, keys)

    def discard(self, key: K) -> None:
        """Remove a key if it is there."""
        group = self._group_of(key)
        keys = self._groups.get(group)
        if keys is not None:
            keys.discard(key)
            self._line_up(group, keys)

    def pop(self, may_go: Callable[[str], bool] = lambda _group: True) -> K | None:
        """Take the key whose turn it is, None when there is none. A group that may not go keeps its turn."""
        held: list[tuple[str, float]] = []
        found = None
        while found is None and (first := self._waiting.first()):
            group, turn = first
            if may_go(group):
                found = self._serve(group, turn)
            else:
                self._waiting.discard(group)
                held.append(first)
        for group, turn in held:
            self._waiting.put(group, turn)
        return found

    def crowd_out(self, newcomer: str) -> bool:
        """Make room for a key of the group ``newcomer``: the last key of the group with the most goes.

        False when that is the newcomer's own group, and nothing goes.
        """
        largest = max(self._groups, key=lambda group: (len(self._groups[group]), group == newcomer))
        if largest == newcomer:
            return False
        self.discard(self._groups[largest].last())
        return True

    def _serve(self, group: str, turn: float) -> K:
        keys = self._groups[group]
        key = keys.pop()
        self._now = max(self._now, turn)
        self._turns[group] += 1
        self._line_up(group, keys)
        return key

    def _line_up(self, group: str, keys: KeyedHeap[K, R]) -> None:
        first = keys.first()
        if first is not None:
            turn = self._turns[group] - self._head_start(first[1])
            if self._waiting.rank(group) != turn:
                self._waiting.put(group, turn)
            return
        del self._groups[group]
        self._waiting.discard(group)
        if not self._groups:
            # Nobody waits, so nobody has been passed over.
            self._turns.clear()
            self._now = 0.0


class Shares:
    """Slots that groups share: each may have as many as are free after it took one, so one group alone gets half.

    That is the dynamic threshold of switches with a common buffer: with n greedy groups each gets a share of n + 1, and
    what is left lets another group begin at once, however long theirs take.
    """

    def __init__(self, slots: int) -> None:
        self._free = slots
        self._taken: Counter[str] = Counter()

    @property
    def free(self) -> int:
        """Slots that nobody has."""
        return self._free

    def admits(self, group: str) -> bool:
        """Whether the group may take one more."""
        return self._taken[group] < self._free

    def take(self, group: str) -> None:
        """The group takes one more."""
        self._free -= 1
        self._taken[group] += 1

    def give_back(self, group: str) -> None:
        """The group needs one less."""
        self._free += 1
        self._taken[group] -= 1
        if not self._taken[group]:
            del self._taken[group]
