"""A proxy before the real API server that meddles with requests and watches as a test says, while it runs.

It lives in a thread with a loop of its own, so that tests of either kind use it: every method blocks for a moment.
Who comes with a token of :attr:`MeddlingProxy.administrators` acts as administrator, everybody else as the API server
says of their own.
"""

import asyncio
import socket
import ssl
import struct
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import yarl
from aiohttp import web
from cryptography import x509
from tests.support.background import background_loop
from tests.support.meddling_rules import Asked, Match, Meddling, status
from tests.support.polling import eventually
from tests.support.ports import reserved_ports

from thing_operator_local.controlplane import ControlPlane
from thing_operator_local.controlplane.kubeconfig import write_kubeconfig
from thing_operator_local.controlplane.layout import ControlPlaneLayout
from thing_operator_local.pki import CertificateAuthority, named
from thing_operator_local.ports import HOST, LOOPBACK
from thing_operator_local.processes import StartedWithContext

_HOP_BY_HOP = frozenset({"connection", "keep-alive", "transfer-encoding", "content-length", "host"})
_NOT_PASSED_ON = _HOP_BY_HOP | {"accept-encoding"}  # lines can be put into what is not compressed


@dataclass(eq=False, slots=True)
class _Exchange:
    asked: Asked
    request: web.Request
    stream: web.StreamResponse | None = None
    """The answer to a watch, while it runs."""

    def reset(self) -> web.Response:
        """End the connection by RST; the answer is for aiohttp, which wants one."""
        transport = self.request.transport
        if transport is not None:
            transport.get_extra_info("socket").setsockopt(
                socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)
            )
            transport.abort()
        return web.Response()


class MeddlingProxy(StartedWithContext):
    """HTTPS on one port of loopback; ``asked`` are the requests that came, in their order."""

    token = "administrator-of-the-meddling-proxy"

    def __init__(self, plane: ControlPlane, folder: Path) -> None:
        self.administrators = {self.token}
        self.port = reserved_ports(1)[0]
        self.url = f"https://{LOOPBACK}:{self.port}"
        self.kubeconfig = folder / "meddling-kubeconfig"
        self.asked: list[Asked] = []
        self.ca_pem = ""
        self.server = plane.server
        """The API server behind it; another one of the same control plane will do."""
        self._plane = plane
        self._folder = folder
        self._rules: list[Meddling] = []
        self._running: set[_Exchange] = set()
        self._changed = asyncio.Event()
        self._stack = ExitStack()

    # --- start and stop

    def start(self) -> None:
        """Listen; returns when it does."""
        self._do = self._stack.enter_context(background_loop())
        self._do(self._connect())
        self._stack.callback(lambda: self._do(self._disconnect()))
        self.open()
        self._stack.callback(self.close)
        self.write_kubeconfig(self.kubeconfig)

    def stop(self) -> None:
        """End all connections and the thread. Idempotent."""
        self._stack.close()

    def open(self, *, host: str = LOOPBACK, names: tuple[str, ...] = (HOST,)) -> None:
        """Listen with a certificate of a CA that nobody has seen before, for ``host`` and these names."""
        not_after = datetime.now(UTC) + timedelta(days=1)
        authority = CertificateAuthority.new(named(f"meddling CA {time.monotonic_ns()}"), not_after=not_after)
        addresses = [x509.IPAddress(ip_address(host))] if host else []
        issued = authority.issue(
            named("meddling proxy"), not_after=not_after, names=[*map(x509.DNSName, names), *addresses]
        )
        pair = self._folder / "meddling-proxy.pem"
        pair.write_text(issued.certificate + issued.private_key, encoding="utf-8")
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(pair)
        self.ca_pem = authority.certificate
        self._do(self._listen(context))

    def write_kubeconfig(self, path: Path, *, token: str = token) -> None:
        """One that trusts the proxy as it is now."""
        write_kubeconfig(path, server=self.url, ca_pem=self.ca_pem, user=token)

    def close(self) -> None:
        """Nobody listens any more, and all connections are ended."""

        async def close() -> None:
            for site in tuple(self._runner.sites):
                await site.stop()
            while self._running:  # aiohttp's clean-up would wait for them
                for each in self._running:
                    each.reset()
                await asyncio.sleep(0.01)
            await self._runner.cleanup()

        self._do(close())

    # --- rules

    def answer(
        self,
        path: str,
        code: int,
        body: bytes | None = None,
        *,
        method: str | None = None,
        query: str = "",
        headers: Mapping[str, str] | None = None,
        times: int | None = None,
    ) -> Meddling:
        """Answer instead of the API server, by default with a Status of this code."""
        content = status(code, "AsTheTestSays") if body is None else body
        kind = "text/html" if content.startswith(b"<") else "application/json"
        response = web.Response(
            status=code, body=content, headers={"Content-Type": kind} | dict(headers or {})
        )
        return self._add(Match(path=path, method=method, query=query), times, answer=response)

    def reset(
        self, path: str, *, method: str | None = None, query: str = "", times: int | None = None
    ) -> Meddling:
        """Reset the connection instead of an answer; the API server is not asked."""
        return self._add(Match(path=path, method=method, query=query), times, resets=True)

    def hold(
        self, path: str, *, method: str | None = None, query: str = "", times: int | None = None
    ) -> Meddling:
        """Keep answers back after the API server has given them, until the rule is removed."""
        return self._add(Match(path=path, method=method, query=query), times, holds=True)

    def stall(self, path: str = "") -> Meddling:
        """Pass nothing on in either direction, also of what runs, and close nothing, until the rule is removed."""
        return self._add(Match(path=path), None, stalls=True)

    def clear(self) -> None:
        """Remove all rules."""
        for rule in tuple(self._rules):
            rule.remove()

    def cut(self, path: str = "", *, query: str = "") -> int:
        """Reset the connections of requests that are under way, watches included; how many they were."""
        match = Match(path=path, query=query)

        async def cut() -> int:
            found = [each for each in self._running if match.fits(each.asked)]
            for each in found:
                each.reset()
            return len(found)

        return self._do(cut())

    def insert(self, path: str, line: bytes) -> int:
        """Put a line into each running watch of a path that ends so; how many they were."""

        async def insert() -> int:
            match, count = Match(path=f"{path}$"), 0
            for each in tuple(self._running):
                if each.stream is not None and match.fits(each.asked):
                    await each.stream.write(line + b"\n")
                    count += 1
            return count

        return self._do(insert())

    # --- what was asked

    def count(self, path: str, *, method: str | None = None, query: str = "") -> int:
        """How many such requests have come."""
        match = Match(path=path, method=method, query=query)
        return sum(match.fits(each) for each in tuple(self.asked))

    def watches(self, path: str) -> int:
        """How many watches of a path that ends so run now."""
        match = Match(path=f"{path}$")
        return sum(each.stream is not None and match.fits(each.asked) for each in tuple(self._running))

    def await_request(self, path: str, *, method: str | None = None, query: str = "", after: int = 0) -> None:
        """Wait for one more such request than ``after``."""
        eventually(
            lambda: self.count(path, method=method, query=query) > after,
            f"{method or 'a request'} for {path}?{query}",
            pause=0.02,
        )

    # --- in the loop of its own

    def _add(self, match: Match, times: int | None, **action: Any) -> Meddling:
        rule = Meddling(match, times, self._removed, **action)

        async def add() -> None:
            self._rules.append(rule)

        self._do(add())
        return rule

    def _removed(self, rule: Meddling) -> None:
        async def remove() -> None:
            if rule in self._rules:
                self._rules.remove(rule)
            self._change()

        self._do(remove())

    def _change(self) -> None:
        before, self._changed = self._changed, asyncio.Event()
        before.set()

    async def _connect(self) -> None:
        layout = ControlPlaneLayout(self._plane.kubeconfig.parent)
        contexts = layout.client_context(), ssl.create_default_context(cafile=layout.ca_file)
        self._as_admin, self._as_asked = (
            aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=0, ssl=context),
                timeout=aiohttp.ClientTimeout(total=None),
                skip_auto_headers=("Accept-Encoding", "User-Agent"),
                auto_decompress=False,
                read_bufsize=1 << 20,
            )
            for context in contexts
        )

    async def _disconnect(self) -> None:
        for session in (self._as_admin, self._as_asked):
            await session.close()

    async def _listen(self, context: ssl.SSLContext) -> None:
        app = web.Application(client_max_size=1 << 26)
        app.router.add_route("*", "/{path:.*}", self._serve)
        self._runner = web.AppRunner(
            app, handler_cancellation=True, access_log=None, shutdown_timeout=0, auto_decompress=False
        )
        await self._runner.setup()
        await web.TCPSite(self._runner, LOOPBACK, self.port, ssl_context=context).start()

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        asked = Asked(request.method, request.path, request.rel_url.raw_query_string, time.monotonic())
        self.asked.append(asked)
        exchange = _Exchange(asked, request)
        self._running.add(exchange)
        try:
            rules = self._rules_for(asked)
            await self._pass_stalls(asked)
            for rule in rules:
                if not rule.holds:
                    rule.applied += 1
                    return rule.response() or exchange.reset()
            return await self._forward(exchange, rules)
        except aiohttp.ClientError:  # the API server is away: so are we
            return exchange.reset()
        finally:
            self._running.discard(exchange)

    def _rules_for(self, asked: Asked) -> list[Meddling]:
        """Those that take a request: any that hold its answer, and the first that answers itself."""
        found: list[Meddling] = []
        for rule in tuple(self._rules):
            if not rule.stalls and rule.takes(asked):
                found.append(rule)
                if not rule.holds:
                    break
        return found

    async def _pass_stalls(self, asked: Asked) -> None:
        while any(rule.stalls and not rule.removed and rule.match.fits(asked) for rule in self._rules):
            await self._changed.wait()

    async def _pass_holds(self, rules: list[Meddling]) -> None:
        for rule in rules:
            rule.applied += 1
            while not rule.removed:
                await self._changed.wait()

    async def _forward(self, exchange: _Exchange, rules: list[Meddling]) -> web.StreamResponse:
        request = exchange.request
        headers = [
            (name, value) for name, value in request.headers.items() if name.lower() not in _NOT_PASSED_ON
        ]
        session = self._as_asked
        if request.headers.get("Authorization", "").removeprefix("Bearer ") in self.administrators:
            session = self._as_admin
            headers = [(name, value) for name, value in headers if name.lower() != "authorization"]
        url = yarl.URL(self.server + request.raw_path, encoded=True)
        data = await request.read()
        async with session.request(request.method, url, headers=headers, data=data or None) as answer:
            kept = {name: value for name, value in answer.headers.items() if name.lower() not in _HOP_BY_HOP}
            if answer.ok and request.query.get("watch") in {"1", "true"}:
                await self._pass_holds(rules)
                return await self._stream(exchange, answer, kept)
            body = await answer.read()
        await self._pass_holds(rules)
        await self._pass_stalls(exchange.asked)
        return web.Response(status=answer.status, body=body, headers=kept)

    async def _stream(
        self, exchange: _Exchange, answer: aiohttp.ClientResponse, headers: dict[str, str]
    ) -> web.StreamResponse:
        """Pass on whole lines, so that one can be put between them."""
        await self._pass_stalls(exchange.asked)
        stream = web.StreamResponse(status=answer.status, headers=headers)
        await stream.prepare(exchange.request)
        exchange.stream = stream
        rest = b""
        async for piece in answer.content.iter_any():
            lines, newline, rest = (rest + piece).rpartition(b"\n")
            await self._pass_stalls(exchange.asked)
            if newline:
                await stream.write(lines + newline)
        await stream.write_eof(rest)
        return stream


@pytest.fixture
def proxy(control_plane: ControlPlane, tmp_path: Path) -> Iterator[MeddlingProxy]:
    """Before the control plane, with no rule yet."""
    with MeddlingProxy(control_plane, tmp_path) as running:
        yield running
