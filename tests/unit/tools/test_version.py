"""The version, wherever it is written."""

import datetime as dt
import shutil
from pathlib import Path

import pytest
from tools import version

from thing_operator import __version__

TODAY = dt.date(2026, 11, 28)


@pytest.fixture
def sources(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the files that name the version, with a dated section in the changelog."""
    for name in {name for name, _ in version._PLACES}:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(version.ROOT / name, tmp_path / name)
    changelog = tmp_path / "CHANGELOG.md"
    changelog.write_text(
        "# Changelog\n\n## 0.2.0 (2026-11-28)\n\n- One.\n\n## 0.1.0 (2026-10-01)\n\n- Two.\n"
    )
    monkeypatch.setattr(version, "ROOT", tmp_path)
    monkeypatch.setattr(version, "CHANGELOG", changelog)
    return tmp_path


def test_every_place_names_the_version_of_the_package() -> None:
    assert {found for _, found in version.found()} == {__version__}


def test_it_is_written_everywhere(sources: Path) -> None:
    assert len(version.faults("v0.2.0", TODAY)) > 6
    version.write("0.2.0")
    assert version.faults("v0.2.0", TODAY) == []
    assert 'appVersion: "0.2.0"' in (sources / "charts/thing-operator/Chart.yaml").read_text()


def test_a_tag_that_does_not_fit_says_where(sources: Path) -> None:
    version.write("0.3.0rc1")
    faults = version.faults("v0.3.0", TODAY)
    assert "operator/thing_operator/__init__.py:3 says 0.3.0rc1, and the tag 0.3.0" in faults
    assert "CHANGELOG.md has no line '## 0.3.0 (2026-11-28)'" in faults


def test_the_date_of_the_section_is_the_day_of_the_tag(sources: Path) -> None:
    version.write("0.2.0")
    assert version.faults("v0.2.0", TODAY + dt.timedelta(days=1)) == [
        "CHANGELOG.md has no line '## 0.2.0 (2026-11-29)'"
    ]


@pytest.mark.parametrize("text", ["v0.2", "latest", "0.2.0-rc.1", ""])
def test_what_is_no_version_is_refused(sources: Path, text: str) -> None:
    [fault] = version.faults(text, TODAY)
    assert "is no version" in fault
    with pytest.raises(ValueError, match="is no version"):
        version.write(text)


def test_a_place_that_names_none_is_said(sources: Path) -> None:
    (sources / "Dockerfile").write_text("FROM scratch\n")
    with pytest.raises(LookupError, match="Dockerfile has no version"):
        version.faults("v0.2.0", TODAY)


@pytest.mark.usefixtures("sources")
def test_the_section_of_the_changelog() -> None:
    assert version.section("0.2.0") == "- One.\n"
    assert version.section("0.1.0") == "- Two.\n"
    with pytest.raises(LookupError, match=r"no section of 0\.3\.0"):
        version.section("0.3.0")
