"""The cloud's own door for trouble on demand, HTTP on loopback, and the Python side of it.

``DIR/control.json`` holds its address and token while the cloud runs. Not a part of MIC or AWS.
"""

import hmac
import json
import secrets
from collections.abc import Awaitable, Callable, Sequence
from contextlib import closing
from http.client import HTTPConnection
from pathlib import Path
from typing import Any, Final, Protocol
from urllib.parse import quote

from aiohttp import web
from pydantic import ValidationError

from thing_operator_local.cloud.faults import Action, Fault
from thing_operator_local.cloud.layout import CloudLayout
from thing_operator_local.cloud.shadow_topics import ShadowMessage, ShadowOperation
from thing_operator_local.cloud.shadows import Shadows
from thing_operator_local.errors import LocalError
from thing_operator_local.ports import LOOPBACK

_TIMEOUT: Final = 30.0

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class BrokerControl(Protocol):
    """What the door needs of the broker."""

    async def sessions(self) -> list[dict[str, Any]]:
        """Connected and kept sessions."""

    async def kick(self, client_id: str) -> bool:
        """Close a client's connection; False when it has none."""

    async def forget_sessions(self) -> None:
        """Close all connections and forget kept sessions."""

    async def set_gate(self, *, refuse: bool, tls_delay: float) -> None:
        """Turn new connections away, or let their handshakes wait."""


class DoorPart(Protocol):
    """Further paths behind the door."""

    def add_routes(self, router: web.UrlDispatcher) -> None:
        """All of its paths."""


class ControlDoor:
    """The server's side of the door: HTTP on loopback, with a token."""

    def __init__(
        self,
        shadows: Shadows,
        broker: BrokerControl,
        restart_broker: Callable[[], Awaitable[None]],
        *,
        parts: Sequence[DoorPart] = (),
    ) -> None:
        self.token = secrets.token_urlsafe(24)
        self._shadows = shadows
        self._broker = broker
        self._restart_broker = restart_broker
        self._parts = parts

    def application(self) -> web.Application:
        """To be served on loopback."""
        app = web.Application(middlewares=[self._guard])
        app.router.add_post("/faults", self._add_fault)
        app.router.add_delete("/faults", self._clear_faults)
        app.router.add_post("/pause", self._pause)
        app.router.add_post("/resume", self._resume)
        app.router.add_get("/sessions", self._sessions)
        app.router.add_delete("/sessions", self._forget_sessions)
        app.router.add_post("/kick/{client}", self._kick)
        app.router.add_put("/gate", self._gate)
        app.router.add_post("/broker/restart", self._restart)
        for part in self._parts:
            part.add_routes(app.router)
        return app

    @web.middleware
    async def _guard(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        given = request.headers.get("Authorization", "").encode()
        if not hmac.compare_digest(given, f"Bearer {self.token}".encode()):
            raise web.HTTPForbidden
        return await handler(request)

    async def _add_fault(self, request: web.Request) -> web.Response:
        try:
            self._shadows.faults.add(Fault.model_validate_json(await request.read()))
        except ValidationError as error:
            raise web.HTTPBadRequest(text=_explain(error)) from None
        return web.json_response({})

    async def _clear_faults(self, _request: web.Request) -> web.Response:
        self._shadows.faults.clear()
        return web.json_response({})

    async def _pause(self, _request: web.Request) -> web.Response:
        self._shadows.pause()
        return web.json_response({})

    async def _resume(self, _request: web.Request) -> web.Response:
        self._shadows.resume()
        return web.json_response({})

    async def _sessions(self, _request: web.Request) -> web.Response:
        return web.json_response(await self._broker.sessions())

    async def _forget_sessions(self, _request: web.Request) -> web.Response:
        await self._broker.forget_sessions()
        return web.json_response({})

    async def _kick(self, request: web.Request) -> web.Response:
        if not await self._broker.kick(request.match_info["client"]):
            raise web.HTTPNotFound(text="no such client is connected")
        return web.json_response({})

    async def _gate(self, request: web.Request) -> web.Response:
        wanted = await request.json()
        await self._broker.set_gate(
            refuse=bool(wanted.get("refuse", False)), tls_delay=float(wanted.get("tlsDelaySeconds", 0))
        )
        return web.json_response({})

    async def _restart(self, _request: web.Request) -> web.Response:
        await self._restart_broker()
        return web.json_response({})


def _explain(error: ValidationError) -> str:
    """What is wrong with a fault, and what there is: a person has written it."""
    lines = []
    for problem in error.errors(include_url=False):
        name = ".".join(str(part) for part in problem["loc"])
        if problem["type"] == "extra_forbidden":
            lines.append(f"{name} is not known: there are {', '.join(Fault.model_fields)}")
        elif problem["type"] == "missing":
            lines.append(f"{name} is missing")
        else:
            lines.append(f"{name}: {problem['msg']}".removeprefix(": "))
    return "\n".join(lines)


class CloudControl:
    """The client's side: trouble for the cloud that runs in ``folder``. Blocking."""

    def __init__(self, folder: Path) -> None:
        self._file = CloudLayout(folder.absolute()).control

    def fault(
        self,
        action: Action,
        *,
        thing: str | None = None,
        operation: ShadowOperation | None = None,
        kinds: frozenset[ShadowMessage] | None = None,
        count: int | None = None,
        seconds: float = 1.0,
        code: int = 500,
    ) -> None:
        """Let answers go wrong from now on; see ``faults.Fault``."""
        fault = Fault(
            action=action,
            thing=thing,
            operation=operation,
            kinds=kinds,
            count=count,
            seconds=seconds,
            code=code,
        )
        self._call("POST", "/faults", fault.model_dump(mode="json"))

    def clear_faults(self) -> None:
        """Answers are right again."""
        self._call("DELETE", "/faults")

    def pause(self) -> None:
        """The shadow service answers nothing over MQTT; requests are held."""
        self._call("POST", "/pause")

    def resume(self) -> None:
        """The held requests are answered, and all that follow."""
        self._call("POST", "/resume")

    def sessions(self) -> list[dict[str, Any]]:
        """Sessions as the broker has them: clientId, connected, clean, keepAlive, subscriptions."""
        found: list[dict[str, Any]] = self._call("GET", "/sessions")
        return found

    def forget_sessions(self) -> None:
        """Close all connections and forget the sessions kept for clients that are away."""
        self._call("DELETE", "/sessions")

    def kick(self, client_id: str) -> None:
        """Close a client's connection."""
        self._call("POST", f"/kick/{quote(client_id, safe='')}")

    def refuse_connections(self, *, refuse: bool = True) -> None:
        """Close new connections before TLS; connected clients stay. Ends what ``slow_tls`` began."""
        self._call("PUT", "/gate", {"refuse": refuse})

    def slow_tls(self, seconds: float) -> None:
        """Let handshakes of new connections wait; 0 ends that. Ends what ``refuse_connections`` began."""
        self._call("PUT", "/gate", {"tlsDelaySeconds": seconds})

    def restart_broker(self) -> None:
        """All connections end, sessions are forgotten, the port stays. Returns when it listens again."""
        self._call("POST", "/broker/restart")

    def create_job(
        self,
        job_id: str,
        document: Any = None,
        *,
        things: Sequence[str] = (),
        timeout_minutes: int | None = None,
    ) -> dict[str, Any]:
        """A job for these things, without names for all; returns its id and things."""
        body = {"targets": list(things), "document": document or {}, "timeoutMinutes": timeout_minutes}
        made: dict[str, Any] = self._call("PUT", f"/jobs/{quote(job_id, safe='')}", body)
        return made

    def cancel_job(self, job_id: str, *, force: bool = False) -> dict[str, Any]:
        """Cancel what of a job is queued, with ``force`` also what is in progress; returns the job."""
        found: dict[str, Any] = self._call("PUT", f"/jobs/{quote(job_id, safe='')}/cancel", {"force": force})
        return found

    def delete_job(self, job_id: str) -> None:
        """Forget a job and its executions, whatever they are at."""
        self._call("DELETE", f"/jobs/{quote(job_id, safe='')}")

    def job(self, job_id: str) -> dict[str, Any]:
        """A job with all its executions."""
        found: dict[str, Any] = self._call("GET", f"/jobs/{quote(job_id, safe='')}")
        return found

    def jobs(self) -> list[dict[str, Any]]:
        """All jobs, with how many things are at what."""
        found: list[dict[str, Any]] = self._call("GET", "/jobs")
        return found

    def lose_job_answers(self, count: int) -> None:
        """Carry out the next requests about jobs that come over MQTT, and lose their answers."""
        self._call("POST", "/job-answers/lose", {"count": count})

    def _call(self, method: str, path: str, body: Any = None) -> Any:
        try:
            door = json.loads(self._file.read_bytes())
        except (OSError, ValueError):
            raise LocalError(f"no cloud runs in {self._file.parent}") from None
        headers = {"Authorization": f"Bearer {door['token']}"}
        with closing(HTTPConnection(LOOPBACK, door["port"], timeout=_TIMEOUT)) as connection:
            connection.request(method, path, None if body is None else json.dumps(body), headers)
            response = connection.getresponse()
            content = response.read()
        if response.status >= 300:
            raise LocalError(f"{method} {path}: {response.status} {content.decode(errors='replace')}")
        return json.loads(content)
