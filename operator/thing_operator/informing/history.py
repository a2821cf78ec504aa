"""What of a kind's past is known, so that nothing older than that is taken. Pure.

An API server says everything in the order of its resource versions, but what it says arrives by several ways: a
watch, a list that was asked for a while ago, an answer that something in between had kept. Resource versions say
which is the newer (``kube.versions``), those of different objects of a kind included. Where one says nothing of its
age, what arrives later counts as newer.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta

from thing_operator.core.resource_versions import is_older
from thing_operator.kube.errors import ApiUnavailableError

SET_BACK_AFTER = timedelta(minutes=2)
"""Lists that are too old for so long are not somebody's kept answers: the API server was set back itself."""


class StaleListError(ApiUnavailableError):
    """A list is older than what was known when it was asked for."""


@dataclass(frozen=True, slots=True)
class ListRequest:
    """A list as it was asked for: when (monotonic seconds), and the newest version that was known then.

    ``covers``: whether an object of this uid is in it if there is one.
    """

    asked_at: float
    known: int
    covers: Callable[[str], bool]


@dataclass(frozen=True, slots=True)
class _TakenList:
    """A list that was taken: what it covers and lacks, and is not newer than ``version``, is deleted."""

    version: int
    request: ListRequest


@dataclass(slots=True)
class History:
    """The past of what one watch shows: a namespace, or all of them. Times are seconds of one monotonic clock."""

    _newest: int = 0
    """The newest version of anything."""
    _listed: int = 0
    """The version of the newest list that was taken of all that is watched."""
    _lists: list[_TakenList] = field(default_factory=list)
    """That list, and those taken since of what is watched besides."""
    _deleted: dict[str, float] = field(default_factory=dict)
    """The uids found deleted since, and when: a list takes their place."""
    _stale_since: float | None = None
    """When the first of the lists that are too old was asked for."""

    def see(self, version: int | None) -> None:
        """Something of this version was shown."""
        if version is not None and version > self._newest:
            self._newest = version

    def see_deleted(self, uid: str, *, now: float) -> None:
        """The object of this uid is deleted, which is for ever."""
        self._deleted[uid] = now

    def is_over(self, uid: str, version: int | None, *, request: ListRequest | None) -> bool:
        """Whether an object that is not kept was deleted after what is shown of it.

        ``request``: of the list that shows it, None for a watch. A list that was asked for later is believed: it may
        have been a wrong 404 that said so, and what was another's meanwhile is not kept and yet there.
        """
        deleted_at, since = self._deleted.get(uid), -math.inf if request is None else request.asked_at
        if deleted_at is not None and deleted_at >= since:
            return True
        return version is not None and any(
            version <= each.version and each.request.asked_at >= since and each.request.covers(uid)
            for each in self._lists
        )

    def request_list(self, covers: Callable[[str], bool], *, now: float) -> ListRequest:
        """A list is about to be asked for; ``covers``: whether a uid is among those that it shows."""
        return ListRequest(asked_at=now, known=self._newest, covers=covers)

    def is_set_back(self, version: int | None, request: ListRequest) -> bool:
        """Whether lists are too old for so long that the API server itself must be older, as a backup is."""
        since = self._stale_since
        if since is None or not is_older(version, request.known):
            return False
        return request.asked_at - since >= SET_BACK_AFTER.total_seconds()

    def admits(self, version: int | None, request: ListRequest) -> bool:
        """Whether a list of this version has anything to say: not when a newer one was taken meanwhile.

        Raises StaleListError for one that no API server gives that has given what is known already.
        """
        if is_older(version, request.known):
            if self._stale_since is None:
                self._stale_since = request.asked_at
            raise StaleListError(
                f"the list is of version {version}, and {request.known} was shown before: nothing of it is taken"
            )
        self._stale_since = None
        return not is_older(version, self._listed)

    def take_list(self, version: int | None, request: ListRequest) -> None:
        """A list of all that is watched was taken whole. It stands for those of parts that were asked for before."""
        self._lists = [each for each in self._lists if each.request.asked_at > request.asked_at]
        self.take_part(version, request)
        if version is not None:
            self._listed = max(self._listed, version)
        self._deleted = {uid: at for uid, at in self._deleted.items() if at >= request.asked_at}

    def take_part(self, version: int | None, request: ListRequest) -> None:
        """A list of what is watched besides from now on was taken whole."""
        if version is not None:
            self.see(version)
            self._lists.append(_TakenList(version, request))
