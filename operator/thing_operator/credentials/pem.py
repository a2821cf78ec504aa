"""PEM text as people hand it over: CRLF, lost line breaks, UTF-16, text around it, several blocks in one file."""

import base64
import binascii
import codecs
from collections.abc import Iterator
from dataclasses import dataclass, field

_BEGIN = b"-----BEGIN "
_END = b"-----END "
_DASHES = b"-----"
_COLUMNS = 64
_UTF_16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


@dataclass(frozen=True, slots=True)
class PemBlock:
    """One block between BEGIN and END.

    ``der`` is None when the text in between is not base64. ``encrypted`` is true for the old form of an
    encrypted key, with headers in the block; the new form has a label of its own.
    """

    label: str
    der: bytes | None = field(repr=False)
    encrypted: bool = False

    def to_pem(self) -> bytes:
        """The block in the usual form: LF, 64 columns."""
        text = base64.b64encode(self.der or b"")
        lines = [text[start : start + _COLUMNS] for start in range(0, len(text), _COLUMNS)]
        label = self.label.encode()
        return b"\n".join([_BEGIN + label + _DASHES, *lines, _END + label + _DASHES, b""])


def pem_blocks(data: bytes) -> Iterator[PemBlock]:
    """Every complete block, in order; what is around them, and a block without its END, is passed over.

    Takes time in proportion to the length of ``data``, whatever it holds.
    """
    if data.startswith(_UTF_16):  # Windows' editor and shell save text so
        data = data.decode("utf-16", "replace").encode("ascii", "replace")
    for part in data.split(_BEGIN)[1:]:
        label, _, rest = part.partition(_DASHES)
        body, end, _ = rest.partition(_END + label + _DASHES)
        if end:
            yield _block(label.decode("ascii", "replace"), body)


def _block(label: str, body: bytes) -> PemBlock:
    if b":" in body:  # headers of RFC 1421; base64 has no colon
        return PemBlock(label, der=None, encrypted=b"ENCRYPTED" in body)
    # A backslash and an n instead of a line break: copied out of a JSON answer or an environment variable.
    text = b"".join(body.replace(b"\\r", b"").replace(b"\\n", b"").split())
    try:
        return PemBlock(label, der=base64.b64decode(text, validate=True) or None)
    except binascii.Error:
        return PemBlock(label, der=None)
