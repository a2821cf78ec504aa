"""The page with ten thousand Things, and every view of it judged by axe: over an API server that the test plays."""

import shutil
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from tests.integration.console.shown import THING_VIEW, enter, populate
from tests.support import console_fleet as objects
from tests.support.console import Console, running_console
from tests.support.console_cluster import ScriptedCluster, scripted_cluster
from tests.support.foreign import Foreign, fetched

from thing_operator.console.bundle import WEB

AXE = Foreign("axe", "npm", ("axe-core@4.14.1",))
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
VIEWS = ("/", THING_VIEW, "/batches", "/shards")


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ScriptedCluster]:
    with scripted_cluster(tmp_path_factory.mktemp("cluster")) as cluster:
        populate(cluster, size=10_000)
        yield cluster


@pytest.fixture(scope="module")
def console(played: ScriptedCluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Console]:
    with running_console(played.kubeconfig, tmp_path_factory.mktemp("console"), "-A") as running:
        yield running


@pytest.fixture
def fleet(page: Any, console: Console) -> Any:
    """The page, when it has all of them."""
    enter(page, console)
    page.locator(".shown", has_text="10,001 of 10,001").wait_for(timeout=60_000)
    return page


def test_rows_are_in_the_document_only_while_they_can_be_seen(fleet: Any) -> None:
    grid = fleet.get_by_role("grid")
    assert grid.get_attribute("aria-rowcount") == "10002"
    assert 10 < fleet.locator(".body .row").count() < 80
    grid.focus()
    fleet.keyboard.press("End")
    fleet.locator("[aria-rowindex='10002'][aria-selected=true]").wait_for()
    assert fleet.locator(".body .row").count() < 80
    fleet.keyboard.press("k")
    for _ in range(2):
        fleet.locator("[aria-rowindex='10001'][aria-selected=true]").wait_for()
        fleet.keyboard.press("Enter")
        fleet.get_by_role("grid").wait_for(state="detached")
        fleet.keyboard.press("Escape")
        grid.wait_for()
        fleet.keyboard.press("j")  # to the rows, where it was
    fleet.keyboard.press("Home")
    fleet.locator("[aria-rowindex='2'][aria-selected=true]").wait_for()


def test_a_change_of_one_among_them_is_shown(fleet: Any, played: ScriptedCluster) -> None:
    fleet.get_by_label("Search Things").fill("plant/freezer-00042")
    fleet.locator(".shown", has_text="1 of 10,001").wait_for()
    body = objects.thing("freezer-00042", namespace="plant")
    ready = ("False", "Rejected", "the shadow service says that it is too large")
    played.put(body | {"status": objects.status("freezer-00042", ready=ready, since=datetime.now(UTC))})
    fleet.locator(".row .c-health", has_text="Rejected").wait_for()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1300, 390])
def test_no_view_breaks_a_rule_of_wcag(page: Any, console: Console, scheme: str, width: int) -> None:
    axe = (fetched(AXE) / "node_modules" / "axe-core" / "axe.min.js").read_text(encoding="utf-8")
    page.emulate_media(color_scheme=scheme)
    page.set_viewport_size({"width": width, "height": 850})
    enter(page, console)
    for view in VIEWS:
        page.goto(console.address + view)
        page.locator(".row, tbody").first.wait_for(timeout=60_000)
        page.evaluate(axe)
        found = page.evaluate("(tags) => axe.run(document, {runOnly: tags})", RULES)
        assert [(each["id"], each["nodes"][0]["html"]) for each in found["violations"]] == [], view


@pytest.mark.parametrize("width", [1300, 800, 390])
def test_no_view_is_wider_than_its_window(page: Any, console: Console, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 850})
    enter(page, console)
    for view in VIEWS:
        page.goto(console.address + view)
        page.locator(".row, tbody").first.wait_for(timeout=60_000)
        assert page.evaluate("document.documentElement.scrollWidth") <= width, view


def test_on_a_phone_what_is_long_is_read_without_scrolling_sideways(page: Any, console: Console) -> None:
    page.set_viewport_size({"width": 390, "height": 850})
    enter(page, console)
    page.goto(console.address + THING_VIEW)
    for table in (".conditions", ".events"):
        cell = page.locator(f"{table} td.wrap").first
        cell.wait_for(timeout=60_000)
        box = cell.bounding_box()
        assert box["x"] + box["width"] <= 390, table


def test_the_page_has_no_type_error(tmp_path: Path) -> None:
    sources = tmp_path / "web"
    shutil.copytree(WEB, sources)
    if shutil.which("npm") is None:
        pytest.skip("there is no npm")
    fetch = subprocess.run(["npm", "ci", "--ignore-scripts"], cwd=sources, capture_output=True, check=False)
    if fetch.returncode:
        pytest.skip("npm cannot fetch the compiler")
    check = ["npm", "run", "check"]
    done = subprocess.run(check, cwd=sources, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
