"""Who may hold the one session of a thing on an endpoint: the oldest Thing that asks. Pure."""

from collections import defaultdict

from thing_operator.core.resource import ObjectKey

Identity = tuple[str, int, str]
Seniority = tuple[str, str]


class Claims:
    """Claims of Things on (host, port, thing name).

    Two sessions with one client id would take each other over for ever, so all but the oldest Thing wait
    (condition Stalled, reason DuplicateThing).
    """

    def __init__(self) -> None:
        self._claims: defaultdict[Identity, dict[ObjectKey, Seniority]] = defaultdict(dict)
        self._identity_of: dict[ObjectKey, Identity] = {}

    def claim(self, key: ObjectKey, *, identity: Identity, seniority: Seniority) -> frozenset[ObjectKey]:
        """Enter or move a claim; returns the other Things whose turn this may change."""
        affected = self.release(key) if self._identity_of.get(key, identity) != identity else frozenset()
        rivals = self._claims[identity]
        if rivals.get(key) != seniority:
            affected |= frozenset(rivals) - {key}
        rivals[key] = seniority
        self._identity_of[key] = identity
        return affected

    def release(self, key: ObjectKey) -> frozenset[ObjectKey]:
        """Withdraw a claim; returns the Things that were waiting behind it."""
        identity = self._identity_of.pop(key, None)
        if identity is None:
            return frozenset()
        rivals = self._claims[identity]
        del rivals[key]
        if not rivals:
            del self._claims[identity]
        return frozenset(rivals)

    def holder(self, identity: Identity) -> ObjectKey | None:
        """The Thing whose turn it is."""
        rivals = self._claims.get(identity)
        return min(rivals, key=lambda key: rivals[key]) if rivals else None
