"""What the local cloud remembers, in its file."""

import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest

from thing_operator_local.cloud.store import Store


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "cloud.db"


@pytest.fixture
def store(file: Path) -> Iterator[Store]:
    with closing(Store(file)) as made:
        yield made


def shadows_in(file: Path, folder: Path) -> list[object]:
    """What the file has by itself, without the log of writes beside it."""
    copy = Path(shutil.copy(file, folder / "copy.db"))
    with closing(Store(copy)) as found:
        return [each["n"] for each in found.shadows()]


def test_a_checkpoint_brings_what_was_written_into_the_file(store: Store, file: Path, tmp_path: Path) -> None:
    store.put_shadow("t", None, {"n": 1})
    assert shadows_in(file, tmp_path) == []
    store.checkpoint()
    assert shadows_in(file, tmp_path) == [1]


def test_checkpoints_of_another_thread_do_not_hold_up_writes(
    store: Store, file: Path, tmp_path: Path
) -> None:
    with ThreadPoolExecutor(1) as threads:
        for number in range(200):
            done = threads.submit(store.checkpoint)
            with store.transaction():
                for thing in "ab":
                    store.put_shadow(thing, None, {"n": number})
            done.result()
    store.checkpoint()
    assert shadows_in(file, tmp_path) == [199, 199]


def test_what_has_half_a_character_is_kept(store: Store) -> None:
    store.put_shadow("t", "s", {"n": "\ud800", "big": 2**70})
    assert list(store.shadows()) == [{"n": "\ud800", "big": 2**70}]
