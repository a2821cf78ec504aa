"""A connection to a port of a pod, as ``kubectl port-forward`` makes it: over a websocket to the API server.

The protocol is ``v4.channel.k8s.io``: the first byte of each message is its channel, 0 for data and 1 for an error; the
first message of each channel is the number of the port.
"""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Final

import aiohttp
from yarl import URL

from thing_operator.core.resource import ObjectKey
from thing_operator.kube.errors import error_of
from thing_operator.kube.outage import words_of
from thing_operator.kube.resources import PODS
from thing_operator.login.login import Login

_PROTOCOL: Final = "v4.channel.k8s.io"
_DATA: Final = 0
_PIECE: Final = 32 * 1024
_SECONDS: Final = 30.0


@asynccontextmanager
async def forwarded(login: Login, pod: ObjectKey, port: int) -> AsyncIterator[socket.socket]:
    """A socket that is connected to the pod's port, for as long as the block; for whoever blocks in a thread.

    Raises the errors of ``kube.errors``. When the other side has ended, the socket is at its end.
    """
    path = f"{PODS.path(pod.namespace, pod.name, 'portforward')}?ports={port}"
    limits = aiohttp.ClientTimeout(total=None, sock_connect=_SECONDS)
    async with aiohttp.ClientSession(timeout=limits) as http:
        try:
            channels = await http.ws_connect(
                URL(login.server + path, encoded=True),
                protocols=(_PROTOCOL,),
                headers=dict(login.headers),
                proxy=login.proxy,
                ssl=login.context,
                server_hostname=login.tls_server_name,
            )
        except aiohttp.WSServerHandshakeError as error:
            raise error_of(error.status, action=f"GET {path}", detail=error.message) from None
        except (aiohttp.ClientError, TimeoutError) as error:
            raise error_of(503, action=f"GET {path}", detail=words_of(error)) from None
        ours, theirs = socket.socketpair()
        reader, writer = await asyncio.open_connection(sock=theirs)
        carrying = [
            asyncio.create_task(_carry_there(reader, channels)),
            asyncio.create_task(_carry_back(channels, writer)),
        ]
        try:
            yield ours
        finally:
            # Before anything that may be cancelled: a thread that reads has its end by that.
            ours.close()
            writer.close()
            for task in carrying:
                task.cancel()
            await asyncio.gather(*carrying, return_exceptions=True)
            await channels.close()
            with suppress(OSError):
                await writer.wait_closed()


async def _carry_there(reader: asyncio.StreamReader, channels: aiohttp.ClientWebSocketResponse) -> None:
    while piece := await reader.read(_PIECE):
        await channels.send_bytes(bytes((_DATA,)) + piece)


async def _carry_back(channels: aiohttp.ClientWebSocketResponse, writer: asyncio.StreamWriter) -> None:
    """Until the other side ends, or says on the other channel why it cannot go on."""
    begun: set[int] = set()
    async for message in channels:
        if message.type is not aiohttp.WSMsgType.BINARY or not message.data:
            break
        channel, data = message.data[0], message.data[1:]
        if channel not in begun:
            begun.add(channel)  # the number of the port
        elif channel == _DATA:
            writer.write(data)
            await writer.drain()
        else:
            break
    writer.close()
