"""The console's page in a real browser, over a real API server: what is shown, and that it follows what happens."""

import copy
import re
import threading
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.integration.console.shown import Shown, enter
from tests.support import console_fleet as objects
from tests.support.console import Console

from thing_operator_local.controlplane import ControlPlane

NOW = datetime.now(UTC)
NONE = "\N{EN DASH}"
MISSING = ("False", "SecretNotFound", "Secret thing-b does not exist: create it")


def a_thing(cluster: Shown, name: str, *, spec: Any = None, **status: Any) -> dict[str, Any]:
    body = objects.thing(name, namespace=cluster.namespace, spec=spec)
    return body | {"status": objects.status(name, since=NOW - timedelta(hours=2), **status)}


def three(cluster: Shown) -> None:
    cluster.put(
        a_thing(cluster, "a"),
        a_thing(cluster, "b", ready=MISSING),
        a_thing(cluster, "c", ready=("False", "Suspended", "spec.suspend is true")),
    )


def open_fleet(page: Any, console: Console) -> None:
    enter(page, console)
    page.get_by_role("grid", name="Things").wait_for()


def names(page: Any) -> list[str]:
    return [text.partition("/")[2] for text in page.locator(".row .c-name a").all_inner_texts()]


def shows(page: Any, selector: str, text: str | re.Pattern[str]) -> None:
    """Wait until something is there that has the text."""
    page.locator(selector).filter(has_text=text).first.wait_for()


def test_the_fleet_by_state_and_reason_with_its_filters_in_the_address(
    page: Any, console: Console, cluster: Shown
) -> None:
    three(cluster)
    open_fleet(page, console)
    shows(page, ".shown", "3 of 3")
    assert "token" not in page.url
    assert names(page) == ["b", "c", "a"]
    assert page.get_by_role("button", name="1 Failed").is_visible()
    page.get_by_role("button", name="SecretNotFound").click()
    shows(page, ".shown", "1 of 3")
    assert page.url.endswith("?reason=SecretNotFound")
    page.reload()
    shows(page, ".shown", "1 of 3")
    assert names(page) == ["b"]
    page.get_by_role("button", name="Clear").click()
    page.get_by_label("Search Things").fill("spec.suspend")
    shows(page, ".shown", "1 of 3")
    assert names(page) == ["c"]
    page.get_by_label("Search Things").fill("")
    page.get_by_role("button", name=re.compile("^Thing")).click()
    shows(page, "[aria-sort=ascending]", "Thing")
    assert names(page) == ["a", "b", "c"]


def test_the_fleet_follows_what_happens(page: Any, console: Console, cluster: Shown) -> None:
    three(cluster)
    open_fleet(page, console)
    shows(page, ".row .c-health", "SecretNotFound")
    cluster.put(a_thing(cluster, "b"), a_thing(cluster, "d"))
    shows(page, ".shown", "4 of 4")
    page.locator(".row .c-health", has_text="SecretNotFound").wait_for(state="detached")
    cluster.delete("thing", "d")
    shows(page, ".shown", "3 of 3")


def test_a_thing_with_its_values_and_its_time(page: Any, console: Console, cluster: Shown) -> None:
    spec = {"desired": {"setpoint": -20, "mode": "auto"}}
    body = a_thing(cluster, "a", spec=spec, reported={"temp": -18.5, "mode": "auto"}, delta={"setpoint": -20})
    cluster.put(body)
    open_fleet(page, console)
    page.locator(".row .c-name a").click()
    shows(page, "h1", f"{cluster.namespace}/a")
    page.locator(".values").wait_for()
    rows = {row.split()[0]: row.split()[1:] for row in page.locator(".values tbody tr").all_inner_texts()}
    assert rows["/mode"][:2] == ['"auto"', '"auto"']
    assert rows["/setpoint"][:3] == ["-20", NONE, "-20"]
    assert rows["/temp"][:2] == [NONE, "-18.5"]
    chain = page.locator(".chain .step .state").all_inner_texts()
    assert chain == ["✓Secret", "✓session", "✓shadow", "…device"]
    shows(page, ".panel", re.compile(r"Ends\s*\d{4}-\d\d-\d\d in \d+d"))
    page.locator(".chart canvas").wait_for()
    assert page.locator(".timeline .strip .fill.Waiting").count() == 1

    changed = copy.deepcopy(body)
    changed["status"]["shadow"] |= {"version": 8, "reported": {"temp": -17, "mode": "auto"}, "delta": {}}
    changed["status"]["conditions"][3] |= {
        "status": "True",
        "reason": "Converged",
        "lastTransitionTime": objects.time_of(datetime.now(UTC)),
    }
    cluster.put(changed)
    shows(page, ".chart figcaption", "-17")
    shows(page, ".panel .aside", "version 8")
    assert page.locator(".timeline .strip .fill.Waiting").count() == 1
    cluster.delete("thing", "a")
    shows(page, ".nothing", "There is no such Thing")


def test_hostile_values_are_text(page: Any, console: Console, cluster: Shown) -> None:
    hostile = objects.HOSTILE
    reason = ("False", "Rejected", hostile)
    body = a_thing(cluster, "a", spec={"desired": {hostile: hostile, "__proto__": {"polluted": 1}}})
    body["status"] = objects.status("a", since=NOW, reported={hostile: [hostile]}, delta={hostile: hostile})
    broken = a_thing(cluster, "b", ready=reason)
    batch = objects.batch("zips", namespace=cluster.namespace)
    batch["status"] = objects.batch_status(total=2, imported=1, failures={hostile: hostile}, since=NOW)
    event = {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": "hostile", "namespace": cluster.namespace},
        "involvedObject": {"kind": "Thing", "name": "a", "namespace": cluster.namespace},
        "type": "Warning",
        "reason": hostile[:100],
        "message": hostile,
    }
    cluster.put(body, broken, batch, event)
    open_fleet(page, console)
    shows(page, ".row .c-message", hostile)
    page.get_by_label("Search Things").fill(hostile)
    shows(page, ".shown", "1 of 2")
    page.goto(f"{console.address}/things/{cluster.namespace}/a")
    shows(page, ".values td", "img src=x onerror=")
    shows(page, ".values th", "/__proto__/polluted")
    shows(page, ".panel td.wrap", hostile)
    page.goto(f"{console.address}/batches")
    shows(page, ".batch th", hostile)
    assert page.title() == "thing-operator"
    assert page.locator("img").count() == 0
    assert page.evaluate("({}).polluted") is None


def test_a_batch_and_the_replicas(page: Any, console: Console, cluster: Shown) -> None:
    batch = objects.batch("zips", namespace=cluster.namespace)
    batch["status"] = objects.batch_status(total=10, imported=4, failures={"00000007": "no key"}, since=NOW)
    cluster.put(batch, *objects.leases(namespace=cluster.namespace, group="release", members=2))
    enter(page, console)
    page.get_by_role("link", name="Batches 1").click()
    shows(page, ".batch", "4 of 10 imported")
    shows(page, ".batch tbody tr", "no key")
    batch["status"] = objects.batch_status(total=10, imported=10, failures={}, since=NOW)
    cluster.put(batch)
    shows(page, ".batch", "10 of 10 imported")
    page.get_by_role("link", name="Replicas 2").click()
    shows(page, ".panel", "257 of 257 shards run")
    shows(page, ".panel tbody tr", "128-255")


def test_by_the_keyboard_alone(page: Any, console: Console, cluster: Shown) -> None:
    three(cluster)
    open_fleet(page, console)
    page.keyboard.press("/")
    page.keyboard.type("/b")  # a namespace may have a b, too
    shows(page, ".shown", "1 of 3")
    page.keyboard.press("Control+A")
    page.keyboard.press("Delete")
    shows(page, ".shown", "3 of 3")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("j")
    shows(page, ".row[aria-selected=true] .c-name", "/c")
    page.keyboard.press("Enter")
    shows(page, "h1", "/c")
    page.keyboard.press("Escape")
    shows(page, ".row[aria-selected=true] .c-name", "/c")
    page.keyboard.press("b")
    shows(page, ".nothing", "No ThingBatches")
    page.keyboard.press("?")
    shows(page, "dialog[open]", "search")
    page.keyboard.press("Escape")
    page.get_by_role("application").wait_for(state="detached")
    page.keyboard.press("t")
    page.get_by_role("application").focus()
    page.keyboard.press("ArrowRight")
    shows(page, ".pointed", f"{cluster.namespace}/a")
    page.keyboard.press("Enter")
    shows(page, "h1", "/a")


def test_rows_are_reached_by_their_keys_without_a_click(page: Any, console: Console, cluster: Shown) -> None:
    three(cluster)
    open_fleet(page, console)
    shows(page, ".shown", "3 of 3")
    for keys in (["j"], ["/", "Escape", "ArrowDown"]):
        for key in (*keys, "Enter"):
            page.keyboard.press(key)
        shows(page, "h1", "/b")
        page.keyboard.press("Escape")
        page.get_by_role("grid").wait_for()


def test_a_long_value_leaves_room_for_the_others(page: Any, console: Console, cluster: Shown) -> None:
    body = a_thing(cluster, "a", spec={"desired": {"text": "x" * 8000}})
    del body["status"]["shadow"]["reportedTime"]
    cluster.put(body)
    open_fleet(page, console)
    page.locator(".row .c-name a").click()
    shows(page, ".panel .aside", "nothing reported")
    assert page.locator(".values tbody tr").bounding_box()["height"] < 300


def test_an_api_server_that_goes_away_and_comes_back(
    page: Any, console: Console, cluster: Shown, control_plane: ControlPlane
) -> None:
    three(cluster)
    open_fleet(page, console)
    shows(page, ".live", "live")
    restart = threading.Thread(target=control_plane.restart_apiserver)
    restart.start()
    shows(page, ".trouble", "The API server's Things cannot be watched")
    assert page.get_by_role("grid").is_visible()
    restart.join()
    page.locator(".trouble").wait_for(state="detached", timeout=60_000)
    cluster.put(a_thing(cluster, "d"))
    shows(page, ".shown", "4 of 4")


def test_a_console_that_has_ended_is_said(page: Any, console: Console, cluster: Shown) -> None:
    three(cluster)
    open_fleet(page, console)
    console.process.stop(grace=60)
    assert console.process.returncode == 0
    shows(page, ".trouble", "The console does not answer")
