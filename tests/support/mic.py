"""The local cloud's MIC API in this process, on a clock that tests move, and a client of it."""

import io
import time
import zipfile
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import pytest
from aiohttp.test_utils import TestClient, TestServer
from tests.support.clock import FakeClock
from yarl import URL

from thing_operator_local.cloud.batches import Batches
from thing_operator_local.cloud.certificates import ThingAuthority, thing_authority
from thing_operator_local.cloud.mic_api import MicApi
from thing_operator_local.cloud.mic_auth import MicAccount
from thing_operator_local.cloud.mic_searches import MicSearches
from thing_operator_local.cloud.mic_thing_types import MicThingTypes
from thing_operator_local.cloud.mic_things import MicThings
from thing_operator_local.cloud.observations import Observations
from thing_operator_local.cloud.registry import Registry
from thing_operator_local.cloud.seeded_random import SeededRandom
from thing_operator_local.cloud.shadow_service import ShadowService
from thing_operator_local.cloud.shadows import Shadows
from thing_operator_local.cloud.store import Store

Json = dict[str, Any]

WITHIN = 30.0
API_KEY = "k" * 40
ACCOUNT = {"userName": "local", "password": "right"}
ORDER: Json = {"thingType": "freezer", "domain": "root", "requestedSize": 2, "keyType": "ec"}


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    body: Any
    """Parsed when it is JSON, else bytes."""


class Stack:
    """The API in this process, on a loopback port, with helpers that speak as a client of MIC would."""

    def __init__(self, client: TestClient[Any, Any], parts: "Parts") -> None:
        self._client = client
        self.registry = parts.registry
        self.batches = parts.batches
        self.shadows = parts.shadows
        self.headers: dict[str, str] = {"x-api-key": API_KEY}

    async def call(
        self, method: str, path: str, body: Any = None, *, headers: Mapping[str, str] | None = None
    ) -> Answer:
        """``path`` below the stack's root, or the path of a whole URL; ``headers`` instead of the usual ones."""
        url = URL(path, encoded=True)
        where = url.relative() if url.absolute else URL(f"/prod{path}", encoded=True)
        sent = {"data": body} if isinstance(body, bytes) else {"json": body}
        given = self.headers if headers is None else headers
        async with self._client.request(method, where, headers=given, **sent) as response:
            content = await response.read()
            is_json = response.content_type == "application/json"
            return Answer(response.status, await response.json() if is_json else content)

    async def log_in(self) -> Json:
        answer = await self.call("POST", "/auth/login", ACCOUNT)
        assert answer.status == 200
        credentials: Json = answer.body["credentials"]
        self.headers["Authorization"] = credentials["token"]
        return credentials

    async def order(self, **changes: Any) -> str:
        answer = await self.call("POST", "/thingbatches", ORDER | changes)
        assert answer.status == 200, answer
        return str(answer.body["batchId"])

    async def listed(self, query: str = "") -> list[Json]:
        answer = await self.call("GET", f"/thingbatches{query}")
        assert answer.status == 200
        found: list[Json] = answer.body
        return found

    async def finished(self, batch_id: str) -> Json:
        """The batch's item once it is finished."""
        deadline = time.monotonic() + WITHIN
        while time.monotonic() < deadline:
            (item,) = (each for each in await self.listed() if each["batchId"] == batch_id)
            if "finishedAt" in item:
                return item
        pytest.fail(f"the batch was not finished within {WITHIN} s")


StartStack = Callable[..., Awaitable[Stack]]


@dataclass(frozen=True, slots=True)
class Parts:
    """The API before somebody serves it."""

    api: MicApi
    registry: Registry
    batches: Batches
    shadows: Shadows

    @classmethod
    def made(cls, running: AsyncExitStack, folder: Path, thing_ca: ThingAuthority, clock: FakeClock) -> Self:
        """With what it keeps in ``folder``; ``running`` ends it."""
        store = Store(folder / "cloud.sqlite")
        running.callback(store.close)
        registry = Registry(store, thing_ca, clock_ms=clock.epoch_ms)
        random = SeededRandom()
        batches = Batches(
            store, registry, folder / "batches", url_seconds=900, random=random, clock_ms=clock.epoch_ms
        )
        running.push_async_callback(batches.stop)
        account = MicAccount(
            api_key=API_KEY,
            user_name=ACCOUNT["userName"],
            password=ACCOUNT["password"],
            token_seconds=900,
        )
        observations = Observations(folder / "observations.jsonl")
        running.callback(observations.close)
        shadows = Shadows(
            ShadowService(clock.epoch),
            store=store,
            registry=registry,
            observations=observations,
            publish=lambda _: None,
            clock_ms=clock.epoch_ms,
        )
        parts = (
            MicSearches(registry, shadows, observations),
            MicThings(registry, shadows, user=account.user_name, forget=shadows.forget),
            MicThingTypes(store, registry),
        )
        api = MicApi(account, batches, parts, random=random, clock_ms=clock.epoch_ms)
        return cls(api, registry, batches, shadows)


@pytest.fixture(scope="session")
def thing_ca(tmp_path_factory: pytest.TempPathFactory) -> ThingAuthority:
    return thing_authority(tmp_path_factory.mktemp("pki"))


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
async def start_stack(
    tmp_path: Path, thing_ca: ThingAuthority, clock: FakeClock
) -> AsyncIterator[StartStack]:
    """Starts a stack in one folder; a second start in the same test is a restart."""
    async with AsyncExitStack() as running:

        async def start() -> Stack:
            await running.aclose()
            parts = Parts.made(running, tmp_path, thing_ca, clock)
            server = TestServer(parts.api.application())
            client = await running.enter_async_context(TestClient(server))
            parts.batches.resume()
            return Stack(client, parts)

        yield start


@pytest.fixture
async def stack(start_stack: StartStack) -> Stack:
    """A stack, logged in to."""
    started = await start_stack()
    await started.log_in()
    return started


def files_in(data: bytes) -> dict[str, dict[str, bytes]]:
    """Folder to file name to content of a zip."""
    found: dict[str, dict[str, bytes]] = {}
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        for entry in archive.namelist():
            folder, _, file = entry.partition("/")
            found.setdefault(folder, {})[file] = archive.read(entry)
    return found
