"""Where the page's files are, what is said where there are none, and how the link gets to the browser."""

import stat
from html import unescape
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

from thing_operator.console import assets, bundle
from thing_operator.console.browser import browser_page
from thing_operator.core.errors import ToolError


def page_in(folder: Path) -> Path:
    folder.mkdir()
    for name in ("index.html", "app.js", "LICENSES.txt"):
        (folder / name).write_text(name, encoding="utf-8")
    return folder


def test_the_files_of_a_wheel_come_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(assets, "_PACKAGED", page_in(tmp_path / "assets"))
    assert assets.read_assets() == {
        "index.html": ("text/html", b"index.html"),
        "app.js": ("text/javascript", b"app.js"),
    }


def test_a_checkout_has_them_from_the_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("THING_OPERATOR_CACHE_DIR", str(tmp_path))
    with pytest.raises(ToolError, match="make console, which needs Node"):
        assets.read_assets()
    (tmp_path / "console").mkdir()
    page_in(bundle.built_folder())
    assert "index.html" in assets.read_assets()


def test_an_installation_without_the_page_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(assets, "WEB", tmp_path / "web")
    with pytest.raises(ToolError, match="this installation has no page for the console"):
        assets.read_assets()


def test_it_cannot_be_built_without_npm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(RuntimeError, match="there is no npm: install Node"):
        bundle.build(tmp_path / "page")


def test_another_source_is_another_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bundle, "WEB", tmp_path)
    before = bundle.built_folder()
    (tmp_path / "app.tsx").write_text("x", encoding="utf-8")
    assert bundle.built_folder() != before


def test_the_link_is_in_a_file_for_its_user_alone_until_the_end() -> None:
    link = 'http://127.0.0.1:1/?token=a&b="c"'
    with browser_page(link) as address:
        file = Path(unquote(urlsplit(address).path))
        assert link not in address
        assert f"url={link}" in unescape(file.read_text(encoding="utf-8"))
        assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
    assert not file.exists()
