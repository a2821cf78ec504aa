"""kopf's settings, and the parts of it that do nothing here.

``on.event`` needs no memory of an object; kopf keeps some all the same, and copies every body for it.
"""

from collections.abc import Mapping
from typing import Any

from thing_operator.watching.lean_kopf import ResourceMemories, ResourceMemory, kopf


class NoMemories(ResourceMemories):
    """Keeps nothing of any object from one event to the next. Private of kopf: test_kopf.py names what is used."""

    async def recall(self, raw_body: Mapping[str, Any], **_: Any) -> ResourceMemory:  # noqa: ARG002
        """A new record each time."""
        return ResourceMemory()

    async def forget(self, raw_body: Mapping[str, Any]) -> None:
        """There is nothing to forget."""


class _NoDiffBase(kopf.DiffBaseStorage):
    """No memory of what an object was before."""

    def build(self, **_: Any) -> kopf.BodyEssence:
        """What is remembered of an object: nothing."""
        return kopf.BodyEssence()

    def fetch(self, **_: Any) -> kopf.BodyEssence | None:
        """What was remembered of an object: nothing, ever."""
        return None

    def store(self, **_: Any) -> None:
        """Keep nothing for the next time."""


class _NoProgress(kopf.ProgressStorage):
    """No memory of how far a handler has come."""

    def fetch(self, **_: Any) -> Any:
        """How far it had come: nowhere."""
        return None

    def store(self, **_: Any) -> None:
        """Keep nothing for the next time."""

    def purge(self, **_: Any) -> None:
        """There is nothing to take off."""

    def touch(self, **_: Any) -> None:
        """There is nothing to touch."""

    def clear(self, *, essence: kopf.BodyEssence) -> kopf.BodyEssence:
        """The same, since nothing was put there."""
        return essence


def kopf_settings() -> kopf.OperatorSettings:
    """kopf as it is used here: watches of our two kinds and nothing else."""
    settings = kopf.OperatorSettings()
    settings.persistence.diffbase_storage = _NoDiffBase()
    settings.persistence.progress_storage = _NoProgress()
    settings.posting.enabled = False  # Events are ours: one per transition
    settings.scanning.disabled = True  # no watch of CRDs and namespaces: see watching.kopf_session
    settings.queueing.idle_timeout = 0.05  # a task for each object that something happens to, no longer
    settings.watching.inactivity_timeout = 600  # our client notices silence
    settings.networking.error_backoffs = ()  # when to try again is decided with the health of each stream
    settings.watching.reconnect_backoff = 0
    # By default it kills the process ten minutes after a run has ended, whatever runs by then.
    settings.process.ultimate_exiting_timeout = None
    return settings
