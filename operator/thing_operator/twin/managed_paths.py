"""What a Thing remembers of its own writes, so that a key removed from the spec is removed from the shadow."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from thing_operator.api.thing import ThingStatus


@dataclass(frozen=True, slots=True)
class ManagedPaths:
    """JSON Pointers that this Thing has set or is about to set in both sections: managedPaths and
    managedReportedPaths of the status. The API server holds them before anything they stand for is sent.
    """

    desired: tuple[str, ...] = ()
    reported: tuple[str, ...] = ()

    @classmethod
    def of(cls, status: ThingStatus) -> Self:
        """As written down in a status."""
        return cls(desired=status.managed_paths or (), reported=status.managed_reported_paths or ())

    @classmethod
    def of_json(cls, status: Mapping[str, Any]) -> Self:
        """The same of a status as JSON."""
        desired, reported = status.get("managedPaths"), status.get("managedReportedPaths")
        return cls(desired=tuple(desired or ()), reported=tuple(reported or ()))

    def covers(self, other: "ManagedPaths") -> bool:
        """Whether everything in ``other`` is in this one, too."""
        return set(self.desired) >= set(other.desired) and set(self.reported) >= set(other.reported)

    def joined(self, other: "ManagedPaths") -> "ManagedPaths":
        """What is in this one or in the other, sorted."""
        if other == NO_MANAGED_PATHS:
            return self
        return ManagedPaths(
            desired=tuple(sorted({*self.desired, *other.desired})),
            reported=tuple(sorted({*self.reported, *other.reported})),
        )


NO_MANAGED_PATHS = ManagedPaths()
