"""What the cloud remembers: one SQLite file. What was committed survives a kill of the process."""

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from thing_operator_local.cloud.json_text import dump
from thing_operator_local.errors import LocalError

Json = dict[str, Any]

_WAL_PAGES = 16_384
"""64 MiB: so far the log of writes may grow before a write itself brings it into the file, which takes 20 ms."""

_SCHEMA = """
CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS things (name TEXT PRIMARY KEY, body TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS thing_types (id TEXT PRIMARY KEY, body TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS batches (id TEXT PRIMARY KEY, body TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS jobs (
    thing TEXT NOT NULL, job TEXT NOT NULL, body TEXT NOT NULL, PRIMARY KEY (thing, job)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS shadows (
    thing TEXT NOT NULL, shadow TEXT NOT NULL, body TEXT NOT NULL, PRIMARY KEY (thing, shadow)
) WITHOUT ROWID;
"""


class Store:
    """For one thread, but for :meth:`checkpoint`. Each write is a transaction of its own unless it is inside
    ``transaction``.
    """

    def __init__(self, file: Path) -> None:
        """Raises LocalError when the file is damaged or not ours."""
        self._file = file
        file.touch(mode=0o600)
        self._connection = sqlite3.connect(file, isolation_level=None)
        try:
            self._connection.execute("PRAGMA journal_mode = WAL")
            # Safe from a killed process; a power cut may cost the last moments, not the file.
            self._connection.execute("PRAGMA synchronous = NORMAL")
            self._connection.execute(f"PRAGMA wal_autocheckpoint = {_WAL_PAGES}")
            self._connection.executescript(_SCHEMA)
        except sqlite3.DatabaseError as error:
            self._connection.close()
            raise LocalError(
                f"{file}, the local cloud's state, cannot be used ({error}): remove it to start with none, or choose "
                "another folder with --dir",
            ) from None

    def close(self) -> None:
        """Close the file; nothing is lost."""
        self._connection.close()

    def checkpoint(self) -> None:
        """Bring what was committed into the file, while writes go on: it waits for the disk. For any thread."""
        with closing(sqlite3.connect(self._file)) as connection:
            connection.execute("PRAGMA wal_checkpoint(PASSIVE)")

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All writes inside or none."""
        self._connection.execute("BEGIN")
        try:
            yield
        except BaseException:
            self._connection.execute("ROLLBACK")
            raise
        self._connection.execute("COMMIT")

    def meta(self, key: str, default: str) -> str:
        """One remembered value; ``default`` is remembered when there is none."""
        row = self._connection.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()
        if row is not None:
            return str(row[0])
        self.put_meta(key, default)
        return default

    def put_meta(self, key: str, value: str) -> None:
        """Remember one value under a key."""
        self._connection.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (key, value))

    def things(self) -> Iterator[Json]:
        """What :meth:`put_thing` kept."""
        return self._bodies("SELECT body FROM things")

    def put_thing(self, name: str, body: Json) -> None:
        """Keep a thing, in the place of the one with its name."""
        self._connection.execute("INSERT OR REPLACE INTO things VALUES (?, ?)", (name, json.dumps(body)))

    def delete_thing(self, name: str) -> None:
        """Keep a thing no longer."""
        self._connection.execute("DELETE FROM things WHERE name = ?", (name,))

    def thing_types(self) -> Iterator[Json]:
        """What :meth:`put_thing_type` kept, in the order of their ids."""
        return self._bodies("SELECT body FROM thing_types ORDER BY id")

    def put_thing_type(self, type_id: str, body: Json) -> None:
        """Keep a thing type, in the place of the one with its id."""
        self._connection.execute(
            "INSERT OR REPLACE INTO thing_types VALUES (?, ?)", (type_id, json.dumps(body))
        )

    def jobs(self) -> Iterator[Json]:
        """What :meth:`put_job` kept."""
        return self._bodies("SELECT body FROM jobs")

    def put_job(self, thing: str, job_id: str, body: Json | None) -> None:
        """Keep a thing's execution of a job, or the job itself, which has no thing; None: keep it no longer."""
        if body is None:
            self._connection.execute("DELETE FROM jobs WHERE thing = ? AND job = ?", (thing, job_id))
        else:
            row = (thing, job_id, json.dumps(body))
            self._connection.execute("INSERT OR REPLACE INTO jobs VALUES (?, ?, ?)", row)

    def batches(self) -> Iterator[Json]:
        """What :meth:`put_batch` kept."""
        return self._bodies("SELECT body FROM batches")

    def put_batch(self, batch_id: str, body: Json) -> None:
        """Keep a batch, in the place of the one with its id."""
        self._connection.execute("INSERT OR REPLACE INTO batches VALUES (?, ?)", (batch_id, json.dumps(body)))

    def shadows(self) -> Iterator[Json]:
        """What :meth:`put_shadow` kept."""
        return self._bodies("SELECT body FROM shadows")

    def put_shadow(self, thing: str, shadow: str | None, body: Json) -> None:
        """Keep a shadow; ``shadow`` None is the thing's classic one."""
        row = (thing, shadow or "", dump(body).decode())
        self._connection.execute("INSERT OR REPLACE INTO shadows VALUES (?, ?, ?)", row)

    def delete_shadows(self, thing: str) -> None:
        """Keep no shadow of a thing any longer."""
        self._connection.execute("DELETE FROM shadows WHERE thing = ?", (thing,))

    def _bodies(self, query: str) -> Iterator[Json]:
        return (json.loads(body) for (body,) in self._connection.execute(query))
