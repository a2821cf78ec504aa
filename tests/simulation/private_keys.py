"""Whether a private key is in a text."""

import re
from dataclasses import dataclass, field

_PIECE = 40
"""Characters of a private key that give it away."""
_BASE64 = re.compile(rb"[A-Za-z0-9+/=]{%d,}" % _PIECE)


@dataclass
class PrivateKeys:
    """Pieces of all private keys, and of what else is to be in no text."""

    _pieces: set[bytes] = field(default_factory=set)

    def add(self, *pieces: str) -> None:
        """Look for these pieces of a private key, too: 40 characters of base64, or more."""
        self._pieces.update(piece[:_PIECE].encode() for piece in pieces)

    def are_in(self, text: bytes) -> bool:
        """Whether any of them is in a text."""
        return any(
            run[place : place + _PIECE] in self._pieces
            for run in _BASE64.findall(text)
            for place in range(len(run) - _PIECE + 1)
        )
