"""One request by the bridge, with a person's rights: a report, or the documents of a Thing from now on."""

import asyncio
import http.client
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from thing_operator.core.error_words import in_words
from thing_operator.core.errors import ToolError
from thing_operator.core.json_values import JsonObject
from thing_operator.core.resource import ObjectKey
from thing_operator.kube.client import KubeClient
from thing_operator.reporting.bridge_connection import BridgeAccess, BridgeConnection, bridge_connection
from thing_operator.reporting.values import documents_in, refusal_of, version_in

_SECONDS: Final = 30.0
"""For an answer; a stream without news has a comment twice as often."""
_LONGEST_LINE: Final = 1 << 20
"""Bytes: a shadow has eight kibibytes, and its delta no more."""


async def report(client: KubeClient, thing: ObjectKey, reported: JsonObject, *, access: BridgeAccess) -> int:
    """Report for a Thing; returns the shadow's version with the report in it.

    Raises ToolError, which says how to do without, and errors of ``kube.errors``.
    """
    async with bridge_connection(client, access, namespace=thing.namespace) as bridge:
        return await asyncio.to_thread(_report, bridge, thing, reported)


async def follow(
    client: KubeClient, thing: ObjectKey, *, access: BridgeAccess, on_document: Callable[[JsonObject], None]
) -> None:
    """Hand over a Thing's shadow, as :class:`~thing_operator.bridge.messages.Shadow` has it, and again each time it
    changes, until the bridge ends that. Raises as :func:`report`.
    """
    loop = asyncio.get_running_loop()

    def hand_over(document: JsonObject) -> None:
        loop.call_soon_threadsafe(on_document, document)

    async with bridge_connection(client, access, namespace=thing.namespace) as bridge:
        await asyncio.to_thread(_follow, bridge, thing, hand_over)


def _report(bridge: BridgeConnection, thing: ObjectKey, reported: JsonObject) -> int:
    body = json.dumps({"reported": reported}).encode()
    with _answer(bridge, "POST", f"{_path(thing)}/reported", body) as answer:
        return version_in(answer.status, answer.read())


def _follow(bridge: BridgeConnection, thing: ObjectKey, on_document: Callable[[JsonObject], None]) -> None:
    with _answer(bridge, "GET", f"{_path(thing)}/events?events=document") as answer:
        if answer.status != 200:
            raise ToolError(refusal_of(answer.status, answer.read()))
        for document in documents_in(iter(lambda: answer.readline(_LONGEST_LINE), b"")):
            on_document(document)


@contextmanager
def _answer(
    bridge: BridgeConnection, method: str, path: str, body: bytes | None = None
) -> Iterator[http.client.HTTPResponse]:
    """The bridge's answer, to be read in the block. Blocks, in a thread. Raises ToolError when it breaks off."""
    bridge.sock.settimeout(_SECONDS)
    connection = http.client.HTTPConnection("bridge")
    connection.sock = bridge.sock
    headers = {"Authorization": f"Bearer {bridge.token}"}
    try:
        connection.request(
            method, path, body, headers | ({"Content-Type": "application/json"} if body else {})
        )
        with connection.getresponse() as answer:
            yield answer
    except (OSError, http.client.HTTPException) as error:
        raise ToolError(
            f"the connection to pod {bridge.pod} ended before its answer ({in_words(error)}): try again"
        ) from None


def _path(thing: ObjectKey) -> str:
    return f"/v1/namespaces/{thing.namespace}/things/{thing.name}"
