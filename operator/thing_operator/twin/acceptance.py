"""How long the shadow service takes to accept a generation."""

from dataclasses import dataclass


@dataclass(slots=True)
class Acceptance:
    """How long the shadow service's acceptance of each generation takes. Times are monotonic seconds."""

    generation: int = 0
    """The one that is expected, or that has arrived."""
    _since: float | None = None

    def expect(self, generation: int, *, now: float, accepted: bool) -> None:
        """This generation is wanted from now on; ``accepted``: it was before this process began."""
        self.generation, self._since = generation, None if accepted else now

    def arrived(self, *, now: float) -> float | None:
        """The expected generation is accepted: seconds since it was first wanted, once."""
        since, self._since = self._since, None
        return None if since is None else now - since
