"""Downloads and calls against a real server: bounds, redirects, expiry, and nothing that gives the address away."""

import asyncio
import gzip
import ssl
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from tests.support.https_site import Site, hang_up
from tests.support.pki import Authority, ec_pair

from thing_operator.core.errors import ThingOperatorError, UserError
from thing_operator.core.reasons import Reason
from thing_operator.download.errors import (
    DownloadFailedError,
    DownloadRefusedError,
    UnansweredError,
    UnreachableError,
    UrlExpiredError,
    UrlNotAllowedError,
)
from thing_operator.download.https import HttpsClient
from thing_operator_local.ports import free_ports

pytestmark = pytest.mark.real_time

SECRET = "?Signature=s3cret"
LIMIT = 1000


async def refusal(https: HttpsClient, url: str, kind: type[ThingOperatorError]) -> ThingOperatorError:
    """The error of a download, which must not hold the secret of the address."""
    with pytest.raises(kind) as caught:
        await https.download(url, limit=LIMIT)
    assert type(caught.value) is kind
    assert "s3cret" not in f"{caught.value!r}{caught.value.message}"
    assert caught.value.__cause__ is None
    return caught.value


async def test_nothing_of_ours_is_sent_along(
    site: Site, https: HttpsClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".netrc").write_text("machine localhost login me password pw\n")
    (tmp_path / ".netrc").chmod(0o600)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("NETRC", str(tmp_path / ".netrc"))
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    moved = web.Response(status=302, headers={"Location": f"/zip{SECRET}", "Set-Cookie": "token=1; Path=/"})
    site.says("/", moved)
    site.says("/zip", web.Response(body=b"zip"))
    assert await https.download(site.url("/"), limit=LIMIT) == b"zip"
    assert [request.path_qs for request in site.asked] == ["/", f"/zip{SECRET}"]
    names = {name.lower() for request in site.asked for name in request.headers}
    assert names == {"host", "accept", "accept-encoding", "user-agent"}


async def test_a_file_of_just_the_limit_is_taken(site: Site, https: HttpsClient) -> None:
    site.says("/", web.Response(body=b"x" * LIMIT))
    assert len(await https.download(site.url("/"), limit=LIMIT)) == LIMIT


async def test_a_longer_one_is_refused_before_it_is_read(site: Site, https: HttpsClient) -> None:
    site.says("/", web.Response(body=b"x" * (LIMIT + 1)))
    error = await refusal(https, site.url("/" + SECRET), DownloadRefusedError)
    assert f"more than the {LIMIT} bytes" in error.message


async def test_one_without_an_end_is_given_up(site: Site, https: HttpsClient) -> None:
    closed = asyncio.Event()

    async def endless(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        try:
            while True:
                await response.write(b"x" * 1000)
                await asyncio.sleep(0)
        except ConnectionError:
            closed.set()
        return response

    site.says("/", endless)
    await refusal(https, site.url("/" + SECRET), DownloadRefusedError)
    await asyncio.wait_for(closed.wait(), 60)


async def test_compressed_answers_are_not_unpacked(site: Site, https: HttpsClient) -> None:
    packed = gzip.compress(b"\0" * 100_000)
    site.says("/", web.Response(body=packed, headers={"Content-Encoding": "gzip"}))
    assert await https.download(site.url("/"), limit=LIMIT) == packed


async def test_time_is_bounded(site: Site, https: HttpsClient) -> None:
    async def slow(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Length": "100"})
        await response.prepare(request)
        await response.write(b"x")
        await asyncio.Event().wait()
        return response

    site.says("/", slow)
    with pytest.raises(DownloadFailedError, match="did not send the zip within 0 s"):
        await https.download(site.url("/" + SECRET), limit=LIMIT, seconds=0.3)


async def test_a_slow_handshake_is_no_slow_download(
    monkeypatch: pytest.MonkeyPatch, https: HttpsClient
) -> None:
    monkeypatch.setattr("thing_operator.download.https._CONNECT_SECONDS", 0.1)

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    async with await asyncio.start_server(silent, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        with pytest.raises(DownloadFailedError, match="localhost cannot be reached"):
            await https.download(f"https://localhost:{port}/{SECRET}", limit=LIMIT)


async def test_an_answer_that_breaks_off(site: Site, https: HttpsClient) -> None:
    async def cut(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Length": "100"})
        await response.prepare(request)
        await response.write(b"x")
        assert request.transport is not None
        request.transport.abort()
        return response

    site.says("/", cut)
    error = await refusal(https, site.url("/" + SECRET), DownloadFailedError)
    assert error.message.startswith("the download from the host of the url failed")


async def test_redirects_are_followed_three_times(site: Site, https: HttpsClient) -> None:
    for number in range(4):
        site.says(f"/{number}", web.Response(status=307, headers={"Location": f"/{number + 1}"}))
    site.says("/4", web.Response(body=b"zip"))
    assert await https.download(site.url("/1"), limit=LIMIT) == b"zip"
    error = await refusal(https, site.url("/0" + SECRET), DownloadRefusedError)
    assert "from one address to the next" in error.message


@pytest.mark.parametrize(
    ("location", "words"),
    [
        ("http://localhost/s3cret", "only https"),
        ("https://evil.example/s3cret", "the host of the url is none"),
        ("//evil.example/s3cret", "the host of the url is none"),
        ("https://169.254.169.254/s3cret", "the host of the url is none"),
        ("https://[::1]/s3cret", "the host of the url is none"),
        ("https://127.1/s3cret", "the host of the url is none"),
        ("https://me:s3cret@localhost/", "user name or password"),
        ("https://b.amazonaws.com:8443/s3cret", "the port of the url"),
        ("file:///etc/s3cret", "only https"),
        ("gopher://localhost/s3cret", "only https"),
    ],
)
async def test_redirects_lead_nowhere_that_is_not_allowed(
    site: Site, https: HttpsClient, location: str, words: str
) -> None:
    site.says("/", web.Response(status=302, headers={"Location": location}))
    error = await refusal(https, site.url("/"), UrlNotAllowedError)
    assert words in error.message
    assert len(site.asked) == 1


@pytest.mark.parametrize("location", ["https://localhost:99999/s3cret", "https://[s3cret"])
async def test_redirects_that_are_no_address(site: Site, https: HttpsClient, location: str) -> None:
    site.says("/", web.Response(status=302, headers={"Location": location}))
    await refusal(https, site.url("/"), DownloadFailedError)


@pytest.mark.parametrize(
    ("answer", "query", "words"),
    [
        (
            web.Response(status=403, body=b"<Code>AccessDenied</Code>"),
            "&X-Amz-Date=20260601T120000Z&X-Amz-Expires=900",
            "until 2026-06-01T12:15",
        ),
        (web.Response(status=403, body=b""), "&Expires=1780315200", "until 2026-06-01T12:00:00Z"),
        (web.Response(status=403, body=b""), "", "it has expired or is wrong"),
        (web.Response(status=401, body=b""), "&Expires=x", "it has expired or is wrong"),
        (
            web.Response(status=403, body=b""),
            "&X-Amz-Date=20260601T120000Z&X-Amz-Expires=99999999999999",
            "it has expired or is wrong",
        ),
        (web.Response(status=410, body=b""), "", "(410)"),
        (web.Response(status=400, body=b"<Message>Request has EXPIRED</Message>"), "", "(400)"),
    ],
)
async def test_an_expired_url_is_named(
    site: Site, https: HttpsClient, answer: web.Response, query: str, words: str
) -> None:
    site.says("/", answer)
    error = await refusal(https, site.url("/" + SECRET + query), UrlExpiredError)
    assert words in error.message
    assert "store a fresh one" in error.message


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (404, DownloadRefusedError),
        (400, DownloadRefusedError),
        (204, DownloadRefusedError),
        (206, DownloadRefusedError),
        (302, DownloadRefusedError),
        (429, DownloadFailedError),
        (500, DownloadFailedError),
        (503, DownloadFailedError),
    ],
)
async def test_other_answers_than_the_file(
    site: Site, https: HttpsClient, status: int, kind: type[ThingOperatorError]
) -> None:
    site.says("/", web.Response(status=status))
    assert (
        f"answers {status} instead of the zip" in (await refusal(https, site.url("/" + SECRET), kind)).message
    )


async def test_a_server_that_is_not_trusted(site: Site) -> None:
    site.says("/", web.Response(body=b"zip"))
    error = await refusal(HttpsClient(hosts=("localhost",)), site.url("/" + SECRET), DownloadFailedError)
    assert "certificate is not trusted" in error.message
    assert site.asked == []


class TestRoots:
    """``batch.caFile`` and ``--ca-file``."""

    @pytest.fixture(autouse=True)
    def _python_3_13(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Whose contexts refuse CAs that openssl makes by its defaults."""
        make = ssl.create_default_context

        def strict(*args: Any, **options: Any) -> ssl.SSLContext:
            context = make(*args, **options)
            context.verify_flags |= ssl.VERIFY_X509_STRICT
            return context

        monkeypatch.setattr(ssl, "create_default_context", strict)

    @pytest.mark.parametrize("form", ["plain", "comment", "UTF-16", "intermediate"])
    async def test_what_sessions_take_is_taken(self, form: str, tmp_path: Path) -> None:
        root = Authority.new()
        signs = root.intermediate()
        shown = tmp_path / "server.pem"
        shown.write_bytes(signs.server() + signs.pem.encode())
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(shown)
        ca_file = tmp_path / "ca.pem"
        ca_file.write_bytes(
            {
                "plain": root.pem.encode(),
                "comment": "# für\n".encode("latin-1") + root.pem.encode(),
                "UTF-16": root.pem.encode("utf-16"),
                "intermediate": signs.pem.encode(),
            }[form]
        )
        site = Site(context, ca_file)
        await site.start()
        try:
            site.says("/", web.Response(body=b"zip"))
            https = HttpsClient(hosts=("localhost",), ca_file=ca_file)
            assert await https.download(site.url("/"), limit=LIMIT) == b"zip"
        finally:
            await site.stop()

    @pytest.mark.parametrize(
        ("content", "words"),
        [
            (None, "No such file or directory"),
            (b"", "the file is empty"),
            (ec_pair().private_key, "there is a private key in its place"),
            (Authority.new().pem.replace("\nM", "\nA", 1).encode(), "one of its certificates is damaged"),
        ],
    )
    async def test_what_cannot_be_used_is_named(
        self, site: Site, content: bytes | None, words: str, tmp_path: Path
    ) -> None:
        file = tmp_path / "ca.pem"
        if content is not None:
            file.write_bytes(content)
        https = HttpsClient(hosts=("localhost",), ca_file=file, ca_setting="--ca-file")
        with pytest.raises(UserError) as caught:
            await https.download(site.url("/"), limit=LIMIT)
        assert caught.value.reason == "InvalidSettings"
        assert caught.value.message.startswith(f"--ca-file {file} cannot be used: ")
        assert words in caught.value.message

    async def test_an_untrusted_server_names_the_setting(self, site: Site) -> None:
        https = HttpsClient(hosts=("localhost",), ca_setting="--ca-file")
        with pytest.raises(
            UnreachableError, match=r"not trusted, or TLS fails \(--ca-file names other roots\)"
        ):
            await https.call("GET", site.url("/"))


class TestCall:
    """Requests of an API."""

    async def test_redirects_are_not_followed(self, site: Site, https: HttpsClient) -> None:
        site.says("/", web.Response(status=307, headers={"Location": site.url("/other")}))
        answer = await https.call("POST", site.url("/"), headers={"Authorization": "token"}, body={})
        assert (answer.status, answer.body) == (307, None)
        assert site.calls == ["POST /"]

    async def test_nothing_is_sent_where_nobody_is(self, https: HttpsClient) -> None:
        (port,) = free_ports(1)
        with pytest.raises(UnreachableError, match="localhost cannot be reached") as caught:
            await https.call("POST", f"https://localhost:{port}/{SECRET}", body={"password": "s3cret"})
        assert "s3cret" not in caught.value.message

    async def test_an_untrusted_server_gets_nothing(self, site: Site) -> None:
        with pytest.raises(UnreachableError, match="not trusted"):
            await HttpsClient(hosts=("localhost",)).call("POST", site.url("/"), body={"password": "x"})
        assert site.asked == []

    async def test_a_request_without_an_answer_may_have_been_carried_out(
        self, site: Site, https: HttpsClient
    ) -> None:
        site.says("/", hang_up)
        with pytest.raises(UnansweredError, match="localhost did not answer"):
            await https.call("POST", site.url("/"), body={})
        assert site.calls == ["POST /"]

    async def test_answers_are_bounded(self, site: Site, https: HttpsClient) -> None:
        site.says("/", web.Response(body=b"[" + b" " * 5 * 1024 * 1024 + b"]"))
        with pytest.raises(UnansweredError, match="4194304 bytes"):
            await https.call("GET", site.url("/"))

    @pytest.mark.parametrize("body", [b"<html>", b"", b"[" * 100_000, b"\xff"])
    async def test_what_is_no_json(self, site: Site, https: HttpsClient, body: bytes) -> None:
        site.says("/", web.Response(body=body))
        assert (await https.call("GET", site.url("/"))).body is None


@pytest.mark.parametrize("pieces", [[], [b"x"] * 100, [b"x" * 1000]])
async def test_a_host_that_sends_next_to_nothing_is_not_waited_for(
    site: Site, https: HttpsClient, pieces: list[bytes]
) -> None:
    async def trickle(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        for piece in pieces:
            await response.write(piece)
            await asyncio.sleep(0.05)
        await asyncio.Event().wait()
        return response

    site.says("/", trickle)
    with pytest.raises(DownloadFailedError, match="sends next to nothing: less than 16384 bytes in"):
        await https.download(site.url("/" + SECRET), limit=1 << 20, patience=0.3)


async def test_who_counts_the_bytes_may_end_a_download(site: Site, https: HttpsClient) -> None:
    site.says("/", web.Response(body=b"x" * LIMIT))
    seen: list[int] = []

    def count(size: int) -> None:
        seen.append(size)
        if size == LIMIT:
            raise UserError("too much", reason=Reason.MEMORY_BUDGET_EXCEEDED)

    with pytest.raises(UserError, match="too much"):
        await https.download(site.url("/"), limit=LIMIT, on_size=count)
    assert seen[-1] == LIMIT
