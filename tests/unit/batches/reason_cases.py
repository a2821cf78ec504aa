"""What the world is like, and the reason that a ThingBatch gets of it: a case for every reason."""

import io
import zipfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.support.clock import FakeClock
from tests.support.pki import ec_pair

from thing_operator.api.conditions import ConditionType
from thing_operator.api.thingbatch import OrderStatus
from thing_operator.batches.cloud_source import InTheMaking, OrderedZip
from thing_operator.batches.fetch import FetchedZip
from thing_operator.batches.order import OrderFailedError, OrderUnknownError
from thing_operator.core.errors import ThingOperatorError
from thing_operator.core.reasons import Reason
from thing_operator.core.resource import ObjectKey
from thing_operator.download.errors import (
    DownloadFailedError,
    DownloadRefusedError,
    UnansweredError,
    UnreachableError,
    UrlExpiredError,
)
from thing_operator.kube.errors import NamespaceTerminatingError, NotFoundError, error_of
from thing_operator.kube.snapshot import SPEC_LIMIT
from thing_operator.mic import MicLoginError, MicRefusedError, MicUnavailableError

STALLED, RECONCILING = ConditionType.STALLED, ConditionType.RECONCILING
KEY = ObjectKey("ns", "b")
FROM_SECRET = {"source": {"secrets": [{"name": "zip", "key": "batch.zip"}]}}
FROM_URL = {"source": {"url": {"secretName": "url"}}}
FROM_CLOUD = {
    "source": {
        "cloudApi": {
            "host": "h",
            "accountSecretName": "mic",
            "thingType": "t",
            "domain": "d",
            "size": 2,
        }
    }
}
ORDER = OrderStatus(
    nonce="n", time=FakeClock().now(), host="h", thing_type="t", domain="d", size=2, batch_id="b"
)


def zipped(**folders: Mapping[str, bytes]) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for folder, files in folders.items():
            for name, content in files.items():
                archive.writestr(f"{folder}/{name}", content)
    return file.getvalue()


ROOM = 1 << 26
GOOD = zipped(one=ec_pair().files)
MIXED = zipped(one=ec_pair().files, other={"cert.pem": b"", "privkey.pem": b""})


def raising(error: Exception) -> Callable[..., Any]:
    async def fail(*_: Any, **__: Any) -> Any:
        raise error

    return fail


def giving(found: object) -> Callable[..., Any]:
    async def give(*_: Any, **__: Any) -> Any:
        return found

    return give


@dataclass(frozen=True)
class BatchCase:
    """What the world is like, and the reason that the ThingBatch gets of it.

    ``at``: the condition beside Ready, None when Ready is True. ``download``, ``cloud``: what is there instead.
    """

    reason: Reason
    at: ConditionType | None
    name: str = ""
    spec: Mapping[str, Any] = field(default_factory=lambda: FROM_SECRET)
    zip_file: bytes = GOOD
    url: str = "https://zips.example.com/batch.zip"
    errors: Mapping[str, Exception] = field(default_factory=dict)
    ca_file: Path | None = None
    download: Callable[..., Any] | None = None
    cloud: Callable[..., Any] | None = None
    budget: int = ROOM


def api_server_in_trouble() -> Iterator[BatchCase]:
    for status, reason, at in (
        (400, Reason.API_SERVER_REFUSED, STALLED),
        (401, Reason.API_SERVER_UNAVAILABLE, RECONCILING),
        (403, Reason.FORBIDDEN, STALLED),
        (404, Reason.API_SERVER_REFUSED, STALLED),
        (409, Reason.RETRYING, RECONCILING),
        (410, Reason.RETRYING, RECONCILING),
        (422, Reason.API_SERVER_REFUSED, STALLED),
        (429, Reason.API_SERVER_UNAVAILABLE, RECONCILING),
        (503, Reason.API_SERVER_UNAVAILABLE, RECONCILING),
    ):
        answer = error_of(status, action="GET things", detail="no")
        yield BatchCase(reason, at, f"list {status}", errors={"list": answer})
    for status, reason, at in (
        (403, Reason.FORBIDDEN, STALLED),
        (429, Reason.API_SERVER_UNAVAILABLE, RECONCILING),
    ):
        answer = error_of(status, action="POST secrets", detail="no")
        yield BatchCase(reason, at, f"create {status}", errors={"create": answer})
    yield BatchCase(
        Reason.RETRYING, RECONCILING, "deleted meanwhile", errors={"patch": NotFoundError("not there")}
    )
    terminating = NamespaceTerminatingError("POST secrets: the namespace is being deleted")
    yield BatchCase(Reason.NAMESPACE_TERMINATING, STALLED, errors={"create": terminating})


def sources() -> Iterator[BatchCase]:
    yield BatchCase(Reason.IMPORTED, None)
    yield BatchCase(Reason.PARTLY_IMPORTED, STALLED, zip_file=MIXED)
    yield BatchCase(Reason.SOURCE_NOT_FOUND, RECONCILING, errors={"get": NotFoundError("not there")})
    yield BatchCase(Reason.INVALID_ARCHIVE, STALLED, zip_file=b"no zip")
    yield BatchCase(Reason.SPEC_TOO_LARGE, STALLED, spec=FROM_SECRET | {"long": "x" * SPEC_LIMIT})
    owned = {"secretTemplate": {"metadata": {"labels": {"owner": "helm"}}}}
    yield BatchCase(Reason.INVALID_SPEC, STALLED, "label of others", spec=FROM_SECRET | owned)
    yield BatchCase(Reason.MEMORY_BUDGET_EXCEEDED, STALLED, "zips", budget=len(GOOD))
    yield BatchCase(Reason.MEMORY_BUDGET_EXCEEDED, STALLED, "unpacked", budget=3 * len(GOOD))
    yield BatchCase(Reason.INVALID_SPEC, STALLED, "no source", spec={"source": {}})
    yield BatchCase(Reason.INVALID_SPEC, STALLED, "not of the CRD", spec={"source": 1})
    yield BatchCase(Reason.URL_NOT_ALLOWED, STALLED, spec=FROM_URL, url="http://zips.example.com/batch.zip")
    yield BatchCase(
        Reason.INVALID_SETTINGS, STALLED, "batch.caFile", spec=FROM_URL, ca_file=Path("no-such-file.pem")
    )
    for error, reason, at in (
        (UrlExpiredError("m"), Reason.URL_EXPIRED, STALLED),
        (DownloadFailedError("m"), Reason.DOWNLOAD_FAILED, RECONCILING),
        (DownloadRefusedError("m"), Reason.DOWNLOAD_FAILED, STALLED),
    ):
        yield BatchCase(reason, at, type(error).__name__, spec=FROM_URL, download=raising(error))


def cloud() -> Iterator[BatchCase]:
    yield BatchCase(
        Reason.PROGRESSING, RECONCILING, spec=FROM_CLOUD, cloud=giving(InTheMaking(ORDER, "1 of 2"))
    )
    lacking = OrderedZip(ORDER, FetchedZip(GOOD, lacking="one thing is missing"))
    yield BatchCase(Reason.ORDER_FAILED, STALLED, "in part", spec=FROM_CLOUD, cloud=giving(lacking))
    errors: tuple[tuple[ThingOperatorError, Reason, ConditionType], ...] = (
        (OrderFailedError("m"), Reason.ORDER_FAILED, STALLED),
        (OrderUnknownError("m"), Reason.ORDER_UNKNOWN, STALLED),
        (MicLoginError("m"), Reason.CLOUD_LOGIN_FAILED, STALLED),
        (MicRefusedError("m"), Reason.CLOUD_REFUSED, STALLED),
        (MicUnavailableError("m"), Reason.CLOUD_UNAVAILABLE, RECONCILING),
        (UnreachableError("m"), Reason.CLOUD_UNAVAILABLE, RECONCILING),
        (UnansweredError("m"), Reason.CLOUD_UNAVAILABLE, RECONCILING),
    )
    for error, reason, at in errors:
        yield BatchCase(reason, at, type(error).__name__, spec=FROM_CLOUD, cloud=raising(error))


CASES = [*api_server_in_trouble(), *sources(), *cloud()]
