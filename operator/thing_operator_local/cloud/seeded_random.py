"""What is random in a cloud and seen from outside: secrets, ids, tokens. With a seed it is the same each time.

Keys and certificates are not among it, since OpenSSL takes no seed; times are those of the clock.
"""

import base64
import hashlib
import secrets
import uuid
from collections import Counter
from typing import Final, Self

from thing_operator_local.cloud.store import Store
from thing_operator_local.errors import LocalError

_NO_SEED: Final = ""


class SeededRandom:
    """Without a seed every draw is another one; with one it depends on its name, the run and the draws before."""

    def __init__(self, seed: str | None = None, *, run: int = 1) -> None:
        self._seed = seed
        self._run = run
        self._drawn: Counter[str] = Counter()

    @classmethod
    def kept(cls, store: Store, seed: int | None) -> Self:
        """That of a folder: begun with ``seed``, a folder goes on with it.

        Raises LocalError when the folder was begun otherwise.
        """
        wanted = _NO_SEED if seed is None else str(seed)
        found = store.meta("seed", wanted)
        if seed is not None and found != wanted:
            began = f"with --seed {found}" if found else "without a seed"
            raise LocalError(
                f"the folder was begun {began}: leave --seed {seed} out, or choose another folder with --dir",
            )
        run = int(store.meta("runs", "0")) + 1
        store.put_meta("runs", str(run))
        return cls(found or None, run=run)

    def text(self, name: str, size: int) -> str:
        """So many bytes as text that is safe in addresses and headers."""
        return base64.urlsafe_b64encode(self._draw(name, size)).rstrip(b"=").decode()

    def uuid(self, name: str) -> str:
        """A UUID of version 4, drawn like everything else."""
        return str(uuid.UUID(bytes=self._draw(name, 16), version=4))

    def _draw(self, name: str, size: int) -> bytes:
        if self._seed is None:
            return secrets.token_bytes(size)
        self._drawn[name] += 1
        what = f"{self._seed}/{self._run}/{name}/{self._drawn[name]}"
        return hashlib.shake_256(what.encode()).digest(size)
