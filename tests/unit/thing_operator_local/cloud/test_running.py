"""Which clouds run: nobody who looks at a bad moment makes one invisible."""

from pathlib import Path

import pytest

from thing_operator_local.cloud.layout import CloudLayout
from thing_operator_local.cloud.running import announced, running_clouds
from thing_operator_local.toolchain.cache import CACHE_VARIABLE, cache_dir


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path / "cache"))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    layout = CloudLayout(tmp_path / "cloud")
    layout.make()
    return layout.root


def test_one_that_is_still_starting_is_found_later(folder: Path) -> None:
    with announced(folder):
        assert running_clouds() == [], "nobody could speak to it yet"
        CloudLayout(folder).info.touch()
        assert running_clouds() == [folder]
    assert running_clouds() == []


def test_what_a_killed_one_left_is_removed(folder: Path) -> None:
    CloudLayout(folder).info.touch()
    with announced(folder):
        (entry,) = (cache_dir() / "running-clouds").iterdir()
        left = entry.read_bytes()
    entry.write_bytes(left)
    assert running_clouds() == []
    assert not entry.exists()


def test_several_are_sorted_and_one_that_looks_locks_nobody_out(tmp_path: Path) -> None:
    layouts = [CloudLayout(tmp_path / name) for name in ("b", "a")]
    for layout in layouts:
        layout.make()
        layout.info.touch()
    with announced(layouts[0].root):
        assert running_clouds() == [layouts[0].root]
        with announced(layouts[1].root):
            assert running_clouds() == [layouts[1].root, layouts[0].root]
        assert running_clouds() == [layouts[0].root]
