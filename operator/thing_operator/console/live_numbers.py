"""The numbers that one Thing reports, as they come by the operator's bridge: for lines that miss nothing.

A status has what is reported within ``mirror.minInterval``, and not what ``spec.mirror`` leaves out.
"""

import asyncio
from collections import deque
from dataclasses import dataclass, field
from typing import Any, Final

from thing_operator.console.feed import Feed, Topic
from thing_operator.core.clock import Clock
from thing_operator.core.errors import ThingOperatorError, ToolError
from thing_operator.core.json_values import JsonObject
from thing_operator.core.resource import ObjectKey
from thing_operator.inspection.detail import numbers_of
from thing_operator.kube.client import KubeClient
from thing_operator.reporting.bridge_connection import BridgeAccess
from thing_operator.reporting.reporting import follow

_AGAIN_SECONDS: Final = 1.0
"""After a stream that has ended in order: its token has, or the Thing has moved to another replica."""
_TROUBLED_SECONDS: Final = 30.0
"""After a refusal: without a bridge, or without the right, that is a list of pods each time."""
_KEPT: Final = 1000
"""Samples that wait for a page that is slow to read; the oldest go."""
NOT_ASKED: Final = "the console was started with --no-bridge"


@dataclass(slots=True)
class LiveNumbers:
    """What one page is shown of one Thing. ``trouble``: why nothing comes by the bridge now; None when it does."""

    feed: Feed
    key: ObjectKey
    clock: Clock
    trouble: str | None = NOT_ASKED
    _samples: deque[dict[str, Any]] = field(default_factory=lambda: deque(maxlen=_KEPT))

    def take(self) -> list[dict[str, Any]]:
        """What has come since the last time: ``at`` in seconds since 1970, and numbers by JSON Pointer."""
        taken = list(self._samples)
        self._samples.clear()
        return taken

    async def run(self, client: KubeClient, access: BridgeAccess) -> None:
        """Follow the Thing until cancelled."""
        self._say("asking for the bridge")
        while True:
            pause = _AGAIN_SECONDS
            try:
                await follow(client, self.key, access=access, on_document=self.note)
                self._say("the bridge has ended the stream; asking again")
            except (ToolError, ThingOperatorError) as error:
                self._say(error.message)
                pause = _TROUBLED_SECONDS
            await asyncio.sleep(pause)

    def note(self, document: JsonObject) -> None:
        """The shadow at one version."""
        self.trouble = None
        self._samples.append(
            {"at": self.clock.now().timestamp(), "numbers": numbers_of(document["reported"])}
        )
        self.feed.changed(Topic.DETAILS, str(self.key))

    def _say(self, trouble: str) -> None:
        self.trouble = trouble
        self.feed.changed(Topic.DETAILS, str(self.key))
