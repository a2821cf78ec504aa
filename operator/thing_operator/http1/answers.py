"""Answers of HTTP/1.1 from the bytes of a connection. Pure: framing is llhttp's, by ``httptools``."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import httptools

_MOST_BYTES: Final = 1 << 26
"""Of one answer with its headers: far more than an API server sends of one object."""


class BadAnswerError(ValueError):
    """What came is no answer of HTTP/1.1, or one that was not asked for; nothing more can be read after it."""


@dataclass(frozen=True, slots=True)
class WholeAnswer:
    """An answer with all of its content. The names of ``headers`` are in small letters."""

    status: int
    reason: str
    headers: Mapping[str, str]
    content: bytes


class AnswerReader:
    """Reads one answer after another; :meth:`begin` says that the next one has been asked for."""

    def __init__(self) -> None:
        self._parser = httptools.HttpResponseParser(self)
        self.begin()
        self.on_message_begin()

    def begin(self) -> None:
        """From here on the next answer is read."""
        self.keeps_open = False
        """Whether the connection can have another request after this answer."""
        self._size = 0
        self._answer: WholeAnswer | None = None

    @property
    def has_begun(self) -> bool:
        """Whether anything of the answer has come."""
        return self._size > 0

    def feed(self, data: bytes) -> WholeAnswer | None:
        """The answer, once it is complete. Raises BadAnswerError."""
        self._size += len(data)
        if self._size > _MOST_BYTES:
            raise BadAnswerError(f"it is longer than {_MOST_BYTES >> 20} MiB")
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            raise BadAnswerError("it is no answer of HTTP/1.1") from None
        return self._answer

    def end(self) -> WholeAnswer | None:
        """The answer, when it is the end of the connection that completes it."""
        if self._answer is None and self._ends_with_connection:
            self._complete()
        return self._answer

    # --- what the parser calls

    def on_message_begin(self) -> None:
        """An answer begins: any after the one that was asked for makes the connection useless."""
        self.keeps_open = False
        self._ends_with_connection = False
        self._reason = b""
        self._headers: dict[str, str] = {}
        self._pieces: list[bytes] = []

    def on_status(self, reason: bytes) -> None:
        """A piece of the reason in the first line."""
        self._reason += reason

    def on_header(self, name: bytes, value: bytes) -> None:
        """One header, or a trailer behind the chunks."""
        self._headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_headers_complete(self) -> None:
        """The content follows, if there is any."""
        self._may_keep_open = self._parser.should_keep_alive()
        has_length = "content-length" in self._headers or "transfer-encoding" in self._headers
        self._ends_with_connection = not has_length and not self._may_keep_open

    def on_body(self, piece: bytes) -> None:
        """A piece of the content, without the framing of chunks."""
        self._pieces.append(piece)

    def on_message_complete(self) -> None:
        """All of it is there; what comes before an answer (100 Continue, 103 Early Hints) is none."""
        if self._parser.get_status_code() >= 200 and self._answer is None:
            self._complete()
            self.keeps_open = self._may_keep_open

    def _complete(self) -> None:
        self._answer = WholeAnswer(
            status=self._parser.get_status_code(),
            reason=self._reason.decode("latin-1"),
            headers=self._headers,
            content=b"".join(self._pieces),
        )
