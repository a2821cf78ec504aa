"""One batch as several zips, each complete and small enough for a Secret. Pure, and the same bytes each time."""

import io
import zipfile
from collections.abc import Iterable

from thing_operator.credentials.batch import BatchEntry
from thing_operator.credentials.folders import CERTIFICATE, PRIVATE_KEY

PART_LIMIT = 900 * 1024
"""Bytes of a part: a Secret holds 1 MiB, names and labels included."""

_TIME = (1980, 1, 1, 0, 0, 0)
_PER_FILE = 400
"""Bytes that a zip needs for an entry beside its content, with the longest thing name."""


def split_batch(entries: Iterable[BatchEntry], *, limit: int = PART_LIMIT) -> list[bytes]:
    """The usable things of a batch, in order, as zips of at most ``limit`` bytes."""
    groups: list[list[tuple[str, bytes]]] = []
    room = 0
    for entry in entries:
        if entry.credentials is None:
            continue
        files = (
            (f"{entry.thing_name}/{CERTIFICATE}", entry.credentials.certificate_pem),
            (f"{entry.thing_name}/{PRIVATE_KEY}", entry.credentials.private_key_pem),
        )
        # Without compression: base64 of random bytes shrinks by a quarter at most, and the sum is certain.
        size = sum(len(data) + _PER_FILE for _, data in files)
        if not groups or size > room:
            groups.append([])
            room = limit
        groups[-1].extend(files)
        room -= size
    return [_zipped(group) for group in groups]


def _zipped(files: Iterable[tuple[str, bytes]]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, data in files:
            info = zipfile.ZipInfo(name, _TIME)
            info.compress_type = zipfile.ZIP_DEFLATED
            info.external_attr = 0o600 << 16
            archive.writestr(info, data)
    return buffer.getvalue()
