"""Using a local cloud from tests, the demo and the command line: start it, order batches, report as somebody else.

Everything goes over the same doors that are there for everybody: MIC's API and AWS's data plane, both over
verified TLS.
"""

import base64
import json
import ssl
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Self
from urllib.parse import quote, urlencode, urlsplit

from thing_operator_local.cloud.address import bracketed
from thing_operator_local.cloud.https import CloudRefusedError, request
from thing_operator_local.cloud.layout import CloudLayout
from thing_operator_local.cloud.session_log import SessionEvent, read_session_log
from thing_operator_local.cloud.shadow_topics import CHILD_MARK
from thing_operator_local.cloud.thing import CloudThing, ThingFiles, things_of_zip
from thing_operator_local.errors import LocalError
from thing_operator_local.ports import HOST, LOOPBACK
from thing_operator_local.processes import ChildProcess, StartedWithContext, wait_until
from thing_operator_local.toolchain import Reporter

__all__ = [
    "CloudClient",
    "CloudInfo",
    "CloudRefusedError",
    "CloudThing",
    "LocalCloud",
    "MicSession",
    "ThingFiles",
]

Json = dict[str, Any]

_READY_WITHIN = 120.0
_BATCH_WITHIN = 300.0
_POLL = 0.1
_PAGE = 1000


@dataclass(frozen=True, slots=True)
class CloudInfo:
    """Where a running cloud is reached; ``cloud.json`` in its folder."""

    mqtt_host: str
    mqtt_port: int
    ca: Path
    api: str
    data_plane: str
    api_key: str = field(repr=False)
    user_name: str
    password: str = field(repr=False)
    hostnames: tuple[str, ...] = ()
    """All names and addresses that its certificates are for."""

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Raises LocalError when no cloud runs in the folder."""
        try:
            found = json.loads(CloudLayout(folder).info.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            raise LocalError(
                f"no cloud runs in {folder}: start one with thing-operator cloud run --dir {folder}",
            ) from None
        return cls(
            mqtt_host=found["mqtt"]["host"],
            mqtt_port=found["mqtt"]["port"],
            ca=Path(found["ca"]),
            api=found["api"],
            data_plane=found["dataPlane"],
            api_key=found["apiKey"],
            user_name=found["userName"],
            password=found["password"],
            hostnames=tuple(found["hostnames"]),
        )

    def at(self, hostname: str) -> Self:
        """The same, reached by another of its names. Raises LocalError for a name that its certificates lack."""
        if hostname not in self.hostnames:
            raise LocalError(
                f"this cloud's certificates are not for {hostname}, but for {', '.join(self.hostnames)}: "
                f"start it with --hostname {hostname}"
            )
        base = f"https://{bracketed(hostname)}"
        return replace(
            self,
            mqtt_host=hostname,
            api=f"{base}:{urlsplit(self.api).port}",
            data_plane=f"{base}:{urlsplit(self.data_plane).port}",
        )


class MicSession:
    """Logged in to a cloud's MIC API."""

    def __init__(self, info: CloudInfo) -> None:
        self._context = ssl.create_default_context(cafile=info.ca)
        self._headers: dict[str, str] = {}
        manifest = self._call("GET", f"{info.api}/Prod/manifest/?{urlencode({'hostname': HOST})}")
        if "ApiGatewayRootUrl" not in manifest:
            raise LocalError(f"{info.api} knows no stack called {HOST}")
        self._root = f"{manifest['ApiGatewayRootUrl']}/{manifest['StackName']}"
        self._headers = {"x-api-key": self._call("GET", f"{self._root}/metadata/manifest")["ApiKey"]}
        account = {"userName": info.user_name, "password": info.password}
        login = self._call("POST", f"{self._root}/auth/login", account)
        self._headers["Authorization"] = login["credentials"]["token"]

    def create_batch(
        self,
        size: int,
        *,
        thing_type: str,
        domain: str,
        key_type: str,
        progress: Callable[[int], None] = lambda _done: None,
    ) -> bytes:
        """Order a batch, wait until it is made, download its zip. ``progress`` gets the number made so far."""
        batch_id = self.order_batch(size, thing_type=thing_type, domain=domain, key_type=key_type)
        return self.wait_for_batch(batch_id, progress=progress)

    def order_batch(self, size: int, *, thing_type: str, domain: str, key_type: str) -> str:
        """Order a batch and return its id. Each call orders another one."""
        order = {"thingType": thing_type, "domain": domain, "requestedSize": size, "keyType": key_type}
        return str(self._call("POST", f"{self._root}/thingbatches", order)["batchId"])

    def batches(self) -> list[Json]:
        """All batches, as MIC lists them."""
        listed: Any = self._call("GET", f"{self._root}/thingbatches")
        found: list[Json] = listed
        return found

    def wait_for_batch(self, batch_id: str, *, progress: Callable[[int], None] = lambda _done: None) -> bytes:
        """The zip of a batch, once it is made. Raises LocalError when that fails or takes too long."""
        deadline = time.monotonic() + _BATCH_WITHIN
        while time.monotonic() < deadline:
            found = next(batch for batch in self.batches() if batch["batchId"] == batch_id)
            progress(found["currentSize"])
            if found.get("errors"):
                raise LocalError(f"the batch was not made: {found['errors']}")
            if found.get("url"):
                return request(self._context, "GET", found["url"])
            time.sleep(_POLL)
        raise LocalError(f"the batch was not made within {_BATCH_WITHIN:.0f} s")

    def replace_certificate(self, name: str, *, key_type: str) -> bytes:
        """Give a thing a new certificate, the old one is worth nothing then; returns its zip."""
        url = f"{self._root}/things/{quote(name, safe='')}/certificate"
        self._request("POST", url, {"keyType": key_type})
        return self.certificate(name)

    def certificate(self, name: str) -> bytes:
        """The zip with a thing's certificate and key; empty for a networked child, which has none."""
        url = f"{self._root}/things/{quote(name, safe='')}/certificate"
        return base64.b64decode(self._request("GET", url), validate=True)

    def find_things(self) -> Iterator[Json]:
        """All things, by name, networked children among them; ``shadow`` of each is its classic shadow."""
        after: Json = {}
        while True:
            query = {"size": _PAGE, "sort": "thingName", "query": {"match_all": {}}} | after
            found = self._call(
                "POST", f"{self._root}/things/find", {"type": "thing,sub_thing", "query": query}
            )
            hits = found["hits"]["hits"]
            yield from (hit["_source"] for hit in hits)
            if len(hits) < _PAGE:
                return
            after = {"search_after": hits[-1]["sort"]}

    def delete_thing(self, name: str) -> None:
        """Delete a thing: its sessions end, and its shadows and networked children go with it."""
        self._request("DELETE", f"{self._root}/things/{quote(name, safe='')}")

    def _call(self, method: str, url: str, body: Json | None = None) -> Json:
        found: Json = json.loads(self._request(method, url, body))
        return found

    def _request(self, method: str, url: str, body: Json | None = None) -> bytes:
        return request(self._context, method, url, body=body, headers=self._headers)


class CloudClient:
    """The cloud that runs in a folder, whoever started it: order batches, report, look at shadows."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder.absolute()
        self._contexts: dict[bytes, ssl.SSLContext] = {}

    @property
    def folder(self) -> Path:
        """Where all its state lies."""
        return self._folder

    @property
    def info(self) -> CloudInfo:
        """Hosts, ports, CA and secrets of the running cloud."""
        return CloudInfo.load(self._folder)

    def session_events(self) -> Iterator[SessionEvent]:
        """What became of every MQTT session, the oldest first: connected, subscribed, will, ended and how."""
        return read_session_log(CloudLayout(self._folder).session_log)

    def create_batch(
        self, size: int, *, thing_type: str = "thing", domain: str = "root", key_type: str = "rsa"
    ) -> bytes:
        """A batch made through the MIC API, as its zip."""
        session = MicSession(self.info)
        return session.create_batch(size, thing_type=thing_type, domain=domain, key_type=key_type)

    def replace_certificate(self, thing: CloudThing, *, key_type: str = "ec") -> CloudThing:
        """The thing with a new certificate and key, made through the MIC API; the old ones work no more."""
        data = MicSession(self.info).replace_certificate(thing.name, key_type=key_type)
        return self.things(data)[thing.name]

    def things(self, data: bytes) -> dict[str, CloudThing]:
        """The things of a batch's zip by name."""
        return things_of_zip(data, ca=self.info.ca)

    def thing(self, name: str) -> CloudThing:
        """A thing that the cloud has, with its certificate; a networked child's is its parent's.

        Raises LocalError when there is no such thing.
        """
        owner = name.partition(CHILD_MARK)[0]
        try:
            found = self.things(MicSession(self.info).certificate(owner))[owner]
        except CloudRefusedError as error:
            if error.status == 404:
                raise LocalError(
                    f"the cloud has no thing {owner}: thing-operator cloud things lists them"
                ) from None
            raise
        return replace(found, name=name)

    def get_shadow(self, thing: CloudThing, *, shadow: str | None = None) -> Json | None:
        """The thing's shadow document over AWS's data plane, None when there is none."""
        return self._data_plane("GET", thing, shadow=shadow)

    def update_shadow(
        self, thing: CloudThing, state: Mapping[str, Any], *, shadow: str | None = None
    ) -> Json:
        """Update the shadow as another client of the thing would."""
        return self._data_plane("POST", thing, shadow=shadow, body={"state": state}) or {}

    def delete_shadow(self, thing: CloudThing, *, shadow: str | None = None) -> None:
        """Delete the shadow; that there is none is fine."""
        self._data_plane("DELETE", thing, shadow=shadow)

    def _data_plane(
        self, method: str, thing: CloudThing, *, shadow: str | None, body: Json | None = None
    ) -> Json | None:
        query = f"?{urlencode({'name': shadow})}" if shadow else ""
        url = f"{self.info.data_plane}/things/{quote(thing.name, safe='')}/shadow{query}"
        try:
            found: Json = json.loads(request(self._context(thing), method, url, body=body))
        except CloudRefusedError as error:
            if error.status == 404:
                return None
            raise
        return found

    def _context(self, thing: CloudThing) -> ssl.SSLContext:
        key = thing.certificate_pem
        if key not in self._contexts:
            self._contexts[key] = replace(thing, ca=self.info.ca).ssl_context()
        return self._contexts[key]


class LocalCloud(CloudClient, StartedWithContext):
    """A cloud in a folder, run as a child process that never outlives this one. A context manager."""

    def __init__(
        self,
        folder: Path,
        *,
        reporter: Reporter,
        seed: int | None = None,
        listen: str = LOOPBACK,
        hostnames: Sequence[str] = (),
    ) -> None:
        """``seed`` makes the secrets, ids and tokens of a new folder the same each time. ``listen``: an address of this
        machine, which is its host name then. ``hostnames``: further names for its certificates.
        """
        super().__init__(folder)
        self._seed = seed
        self._listen = listen
        self._hostnames = hostnames
        self._reporter = reporter
        self._process: ChildProcess | None = None

    def start(self) -> None:
        """Run it and return when it is ready. Raises LocalError with the end of its log otherwise."""
        layout = CloudLayout(self._folder)
        self._folder.mkdir(parents=True, exist_ok=True)
        layout.info.unlink(missing_ok=True)
        command = [sys.executable, "-m", "thing_operator_local", "cloud", "run", "--dir", str(self._folder)]
        command += ["--listen", self._listen, *(f"--hostname={name}" for name in self._hostnames)]
        if self._seed is not None:
            command += ["--seed", str(self._seed)]
        with self._reporter.step("starting the local cloud"):
            process = ChildProcess(command, name="local cloud", log=self._folder / "cloud.log")
            try:
                wait_until(
                    layout.info.is_file, what="the local cloud", timeout=_READY_WITHIN, processes=[process]
                )
            except BaseException:
                process.stop()
                raise
        self._process = process

    def stop(self, *, grace: float = 5.0) -> None:
        """End it; ``grace`` 0 kills it. Idempotent."""
        if self._process is not None:
            self._process.stop(grace=grace)
            self._process = None

    def restart(self, *, grace: float = 5.0) -> None:
        """Stop and start again, with the same state and, if they are still free, the same ports."""
        self.stop(grace=grace)
        self.start()
