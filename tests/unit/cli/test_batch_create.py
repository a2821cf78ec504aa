"""``thing-operator batch create`` against a real server, which says what MIC may say."""

import asyncio
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from tests.support.https_site import Site, again
from typer.testing import CliRunner, Result

from thing_operator.batches import fetch as ordering
from thing_operator.cli.main import app

pytestmark = pytest.mark.real_time

PASSWORD = "p4ssw0rd"
ORDER = ["--thing-type=freezer", "--domain=root", "--size=2"]
ORDERED, LISTED = "POST /thingbatches", "GET /thingbatches"


class Mic:
    """MIC as the site: ``listing`` is what the list says of the batch, one after the other."""

    def __init__(self, site: Site, file: Path) -> None:
        self._site = site
        self.file = file
        self.order: web.Response | Any = web.json_response({"batchId": "b-1"})
        self.listing: list[web.Response] = [self.batch(currentSize=2, finishedAt=1, url=site.url("/zip"))]
        site.says("/metadata/manifest", web.json_response({"ApiKey": "k"}))
        site.says("/auth/login", web.json_response({"credentials": {"token": "t0ken"}}))
        site.says("/zip", web.Response(body=b"the zip"))

    @staticmethod
    def batch(**more: Any) -> web.Response:
        return web.json_response([{"batchId": "b-1", "requestedSize": 2} | more])

    async def create(self, *arguments: str) -> Result:
        async def answer(request: web.Request) -> web.StreamResponse:
            if request.method == "POST":
                if isinstance(self.order, web.Response):
                    return again(self.order)
                assert request.transport is not None
                request.transport.abort()
            return again(self.listing.pop(0) if len(self.listing) > 1 else self.listing[0])

        self._site.handlers["/thingbatches"] = answer
        where = [f"--api={self._site.url('/')}", f"--ca-file={self._site.ca_file}"]
        command = ["batch", "create", str(self.file), *where, *arguments]
        env = {"MIC_USER": "me", "MIC_PASSWORD": PASSWORD}
        result = await asyncio.to_thread(CliRunner().invoke, app, command, env=env)
        assert PASSWORD not in result.output
        assert "t0ken" not in result.output
        return result

    @property
    def calls(self) -> list[str]:
        return self._site.calls


@pytest.fixture
def mic(site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Mic:
    monkeypatch.setattr(ordering, "_POLL_INTERVAL", timedelta(milliseconds=10))
    return Mic(site, tmp_path / "batch.zip")


async def test_the_batch_is_ordered_waited_for_and_written(mic: Mic) -> None:
    mic.listing = [
        web.json_response([]),
        mic.batch(),
        mic.batch(currentSize=1),
        web.json_response({"message": "Service Unavailable"}, status=503),
        *mic.listing,
    ]
    result = await mic.create(*ORDER)
    assert result.exit_code == 0, result.output
    assert "batch b-1" in result.stderr
    assert mic.file.read_bytes() == b"the zip"
    assert mic.file.stat().st_mode & 0o777 == 0o600
    assert (mic.calls.count(ORDERED), mic.calls.count(LISTED)) == (1, 5)


async def test_what_mic_could_not_make_is_said(mic: Mic, site: Site) -> None:
    mic.listing = [
        mic.batch(currentSize=1, finishedAt=1, url=site.url("/zip"), errors=[{"message": "no room"}])
    ]
    result = await mic.create(*ORDER)
    assert result.exit_code == 1
    assert "written, but MIC made 1 of 2 things of batch b-1: no room" in result.stderr
    assert mic.file.exists()


async def test_a_batch_without_a_zip(mic: Mic) -> None:
    mic.listing = [mic.batch(finishedAt=1, errors=["no room"])]
    result = await mic.create(*ORDER)
    assert result.exit_code == 2
    assert "MIC made 0 of 2 things of batch b-1 and no zip (no room)" in result.stderr
    assert not mic.file.exists()


@pytest.mark.parametrize(
    "answer", [web.json_response({"message": "Endpoint request timed out"}, status=504), None]
)
async def test_an_order_without_an_answer_is_not_repeated(mic: Mic, answer: web.Response | None) -> None:
    mic.order = answer
    result = await mic.create(*ORDER)
    assert result.exit_code == 3
    assert "the order was sent" in result.stderr
    assert mic.calls.count(ORDERED) == 1


async def test_an_order_that_is_refused(mic: Mic) -> None:
    mic.order = web.json_response({"message": "m", "messageKey": "NOT_AUTHORIZED_DOMAIN"}, status=400)
    result = await mic.create(*ORDER)
    assert result.exit_code == 2
    assert "NOT_AUTHORIZED_DOMAIN" in result.stderr


async def test_a_batch_that_is_there_is_fetched_by_its_id_alone(mic: Mic) -> None:
    result = await mic.create("--batch-id=b-1")
    assert result.exit_code == 0, result.output
    assert mic.file.read_bytes() == b"the zip"
    assert ORDERED not in mic.calls


async def test_whoever_gives_up_says_how_to_go_on(mic: Mic, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ordering, "_PATIENCE", timedelta(milliseconds=50))
    mic.listing = [mic.batch(currentSize=1)]
    result = await mic.create(*ORDER)
    assert result.exit_code == 2
    assert "go on with --batch-id b-1" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--domain=root", "--size=2"], "name --thing-type, --domain and --size"),
        ([*ORDER, "--stack=x.example"], "either --stack or --api"),
    ],
)
async def test_nothing_is_asked_before_the_options_are_complete(
    mic: Mic, arguments: list[str], words: str
) -> None:
    result = await mic.create(*arguments)
    assert result.exit_code == 2
    assert words in result.stderr
    assert mic.calls == []


async def test_nothing_is_ordered_that_could_not_be_written(mic: Mic) -> None:
    mic.file = mic.file.parent / "no-folder" / "batch.zip"
    result = await mic.create(*ORDER)
    assert result.exit_code == 2
    assert "make it first" in result.stderr
    assert mic.calls == []
