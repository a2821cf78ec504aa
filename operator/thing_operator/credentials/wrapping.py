"""What a file is before it is a zip: plain, base64 text around it, or something else altogether."""

import base64
import binascii
import io
from collections.abc import Iterable, Iterator
from itertools import chain
from typing import BinaryIO

from thing_operator.credentials.errors import ArchiveRefusedError

_CHUNK = 64 * 1024
_ZIP = (b"PK\x03\x04", b"PK\x05\x06")
_ZIP_IN_BASE64 = (b"UEsD", b"UEsF")
_AROUND_BASE64 = b' \t\r\n"\x00\xff\xfe\xef\xbb\xbf'
"""Line breaks, the quotes of a JSON string, and what UTF-16 and byte order marks add to plain letters."""

_OTHERS = (
    (b"\x1f\x8b", "a gzip file"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive"),
    (b"Rar!", "a RAR archive"),
    (b"-----BEGIN", "a PEM file"),
    (b"<", "a web page or an XML document, as a server answers when a link has expired"),
    (b"{", "JSON"),
)


def open_plain(source: bytes | BinaryIO, *, limit: int) -> BinaryIO:
    """The zip as a seekable file: ``source`` itself, or a copy of it, or what its base64 text stands for.

    At most ``limit`` bytes; raises ArchiveRefusedError for more, and for broken base64.
    """
    file = io.BytesIO(source) if isinstance(source, bytes) else source
    is_seekable = file.seekable()
    if is_seekable:
        file.seek(0)
    head = file.read(_CHUNK)
    chunks = chain([head], iter(lambda: file.read(_CHUNK), b""))
    if head.translate(None, delete=_AROUND_BASE64).startswith(_ZIP_IN_BASE64):
        return _copied(_decoded(chunks), limit=limit)
    if not is_seekable:
        return _copied(chunks, limit=limit)
    if file.seek(0, io.SEEK_END) > limit:
        raise _too_long(limit)
    return file


def what_it_is(file: BinaryIO) -> str:
    """Words for a file in which no zip could be found, and what to do about it."""
    file.seek(0)
    head = file.read(_CHUNK)
    if not head:
        return "the file is empty: download it again"
    if head.startswith(_ZIP):
        return "the zip is damaged or cut off: download it again"
    found = next((name for start, name in _OTHERS if head.lstrip().startswith(start)), None)
    return f"the file is no zip{f' but {found}' if found else ''}: use the zip as MIC made it"


def _copied(chunks: Iterable[bytes], *, limit: int) -> BinaryIO:
    content = io.BytesIO()
    for chunk in chunks:
        content.write(chunk)
        if content.tell() > limit:
            raise _too_long(limit)
    return content


def _decoded(chunks: Iterable[bytes]) -> Iterator[bytes]:
    rest = b""
    for chunk in chunks:
        text = rest + chunk.translate(None, delete=_AROUND_BASE64)
        whole = len(text) // 4 * 4
        rest = text[whole:]
        yield _decode(text[:whole])
    yield _decode(rest + b"=" * (-len(rest) % 4))


def _decode(text: bytes) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error:
        raise ArchiveRefusedError(
            "the file is base64 text of a zip, but damaged or cut off: download it again"
        ) from None


def _too_long(limit: int) -> ArchiveRefusedError:
    return ArchiveRefusedError(f"the zip has more than the {limit} bytes that a batch can have: split it")
