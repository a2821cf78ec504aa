"""The MQTT broker as a child process: our Go program around mochi-mqtt."""

import json
import secrets
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import aiohttp

from thing_operator_local.cloud.address import CloudAddress
from thing_operator_local.cloud.layout import CloudLayout, write_json
from thing_operator_local.errors import LocalError
from thing_operator_local.ports import LOOPBACK
from thing_operator_local.processes import ChildProcess, wait_until

_READY_WITHIN = 20.0

PUBLISHES_PER_SECOND: Final = 100
"""Of one connection, in and out together; AWS discards what is beyond.

Source: docs/background/aws-iot-shadow.md#mqtt-dialect.
"""


class PublishRefusedError(Exception):
    """A message that the broker does not take; ``status`` is HTTP's, 403 for a topic that is not the thing's."""

    def __init__(self, message: str, *, status: int) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True, slots=True)
class CertificateFiles:
    """A certificate and its key, PEM."""

    certificate: Path
    key: Path


@dataclass(frozen=True, slots=True)
class BrokerFiles:
    """The broker's own certificates, and as PEM files the CA of things and the service's certificate."""

    own: tuple[CertificateFiles, ...]
    """A client is shown the first that it can use."""
    client_ca: Path
    service: Path


class Broker:
    """One broker. ``start`` and ``stop`` block; the rest is for the loop."""

    def __init__(
        self,
        program: Path,
        layout: CloudLayout,
        files: BrokerFiles,
        *,
        minimum_keep_alive: int = 30,
        publishes_per_second: int | None = PUBLISHES_PER_SECOND,
        address: CloudAddress | None = None,
    ) -> None:
        """``address`` None is loopback.

        ``minimum_keep_alive`` is in seconds; AWS has 30. ``publishes_per_second`` None for no limit."""
        self._program = program
        self._minimum_keep_alive = minimum_keep_alive
        self._publishes_per_second = publishes_per_second
        self._layout = layout
        self._files = files
        self._address = address or CloudAddress()
        self._log_read = 0
        self._token = secrets.token_hex(16)
        self._process: ChildProcess | None = None
        self._admin = ""
        self.port = 0

    def start(self, *, port: int, identities: dict[str, str]) -> None:
        """Start and return when it listens; ``port`` 0 for a free one. Raises LocalError."""
        write_json(self._layout.identities, identities)
        config = {
            "listen": self._address.at(port),
            "adminListen": f"{LOOPBACK}:0",
            "adminToken": self._token,
            "certificates": [
                {"certificate": str(each.certificate), "key": str(each.key)} for each in self._files.own
            ],
            "clientCaFile": str(self._files.client_ca),
            "serviceFile": str(self._files.service),
            "sessionLog": str(self._layout.session_log),
            "identitiesFile": str(self._layout.identities),
            "minimumKeepAlive": self._minimum_keep_alive,
            "publishesPerSecond": self._publishes_per_second or 0,
        }
        write_json(self._layout.broker_config, config)
        log = self._layout.broker_log
        log.unlink(missing_ok=True)
        self._log_read = 0
        command = [self._program, self._layout.broker_config]
        self._process = ChildProcess(command, name="the broker", log=log)
        try:
            wait_until(
                self._is_ready,
                what="the broker",
                timeout=_READY_WITHIN,
                processes=[self._process],
                interval=0.01,
            )
        except LocalError:
            self.stop()
            raise

    def stop(self) -> None:
        """End it, at once: it holds nothing that is worth a farewell."""
        process = self._process
        self._process = None  # first: check_running must not take this end for a crash
        if process is not None:
            process.stop()

    def check_running(self) -> None:
        """Raise LocalError when it has ended by itself."""
        if self._process is not None:
            self._process.check_running()

    def new_refusals(self) -> list[str]:
        """Lines of its log since the last call: whom it turned away, and why."""
        with self._layout.broker_log.open("rb") as log:
            log.seek(self._log_read)
            lines = log.read().splitlines(keepends=True)
        whole = [line for line in lines if line.endswith(b"\n")]
        is_first = self._log_read == 0  # its first line has the ports
        self._log_read += sum(map(len, whole))
        return [line.decode(errors="replace").rstrip() for line in whole[is_first:]]

    async def reload(self, identities: dict[str, str]) -> None:
        """Make these certificates the valid ones; sessions of others are closed."""
        write_json(self._layout.identities, identities)
        await self._call("POST", "/reload")

    async def sessions(self) -> list[dict[str, Any]]:
        """Connected and kept sessions."""
        answer: list[dict[str, Any]] = json.loads(await self._call("GET", "/sessions"))
        return answer

    async def kick(self, client_id: str) -> bool:
        """Close a client's connection; False when it has none."""
        try:
            await self._call("POST", f"/kick/{client_id}")
        except aiohttp.ClientResponseError:
            return False
        return True

    async def forget_sessions(self) -> None:
        """Close all connections and forget kept sessions."""
        await self._call("DELETE", "/sessions")

    async def publish(self, thing: str | None, topic: str, payload: bytes, *, qos: int, retain: bool) -> None:
        """Publish as a thing would over MQTT, ``thing`` None as the cloud's services.

        Raises PublishRefusedError for what would close a thing's connection.
        """
        query = {"thing": thing or "", "topic": topic, "qos": str(qos), "retain": "true" if retain else ""}
        async with (
            aiohttp.ClientSession(self._admin, headers=self._authorization) as session,
            session.post("/publish", params=query, data=payload) as response,
        ):
            if response.status != 200:
                raise PublishRefusedError((await response.text()).strip(), status=response.status)

    async def set_gate(self, *, refuse: bool, tls_delay: float) -> None:
        """Turn new connections away, or let their handshakes wait for ``tls_delay`` seconds."""
        await self._call("PUT", "/gate", {"refuse": refuse, "tlsDelaySeconds": tls_delay})

    async def _call(self, method: str, path: str, body: Any = None) -> bytes:
        async with (
            aiohttp.ClientSession(self._admin, headers=self._authorization, raise_for_status=True) as session,
            session.request(method, path, json=body) as response,
        ):
            return await response.read()

    @property
    def _authorization(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self._token}"}

    def _is_ready(self) -> bool:
        with suppress(ValueError), self._layout.broker_log.open(encoding="utf-8") as log:
            line = log.readline()
            if line.endswith("\n"):
                ports = json.loads(line)
                self.port, self._admin = ports["mqttPort"], f"http://{LOOPBACK}:{ports['adminPort']}"
                return True
        return False
