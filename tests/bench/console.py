"""The console's page in headless Chromium, over an API server that is played: a fleet is shown, and followed."""

import copy
import itertools
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
from tests.bench.load import percentile
from tests.integration.console.shown import enter
from tests.support import console_fleet as objects
from tests.support.console import Console, chromium, running_console
from tests.support.console_cluster import ScriptedCluster, scripted_cluster
from tests.support.polling import eventually

Json = dict[str, Any]

_UPDATES = 100
_BESIDE = 10
"""Other Things that change with each update: a hundred a second."""
_WATCHER = """
window.shownAt = {};
new MutationObserver(() => {
  const text = [...document.querySelectorAll('.shown, .row .c-message')].map((each) => each.textContent).join(' ');
  for (const found of text.match(/[\\d,]+ of [\\d,]+|mark-\\d+/g) ?? []) {
    if (!(found in shownAt)) {
      shownAt[found] = null;
      requestAnimationFrame(() => setTimeout(() => { shownAt[found] = performance.timeOrigin + performance.now(); }));
    }
  }
}).observe(document, { subtree: true, childList: true, characterData: true });
"""
"""Notes when a text was first on the screen: after the frame that painted it."""


def console_page(folder: Path, *, size: int, announce: Callable[[str], None]) -> Json:
    """First paint of ``size`` Things, time from an event to the screen, and the page's memory."""
    with scripted_cluster(folder) as cluster:
        fleet = objects.fleet(size)
        cluster.put(*fleet)
        began = time.monotonic()
        with running_console(cluster.kubeconfig, folder) as console, chromium() as browser:
            page = browser.new_context(viewport={"width": 1360, "height": 860}).new_page()
            page.add_init_script(_WATCHER)
            enter(page, console)
            text = f"{size:,} of {size:,}"
            eventually(lambda: _shown_at(page, text), "all are shown")
            found: Json = {"things": size, "from_start_s": round(time.monotonic() - began, 2)}
            announce("first paint")
            paints = [_first_paint(page, console, text) for _ in range(5)]
            found |= {"first_paint_s": sorted(paints)[2], "first_paint_worst_s": max(paints)}
            announce("updates")
            found |= _updates(page, console, cluster, fleet)
            return found | _memory(page)


def _first_paint(page: Any, console: Console, text: str) -> float:
    """Seconds from the navigation until all are counted and painted."""
    page.goto(f"{console.address}/")
    at: float = eventually(lambda: _shown_at(page, text), "all are shown", pause=0.02)
    began: float = page.evaluate("performance.timeOrigin")
    return round((at - began) / 1000, 3)


def _shown_at(page: Any, text: str) -> float:
    """When the text was first on the screen, in ms since 1970; 0 while it was not."""
    found: float = page.evaluate("(text) => shownAt[text] ?? 0", text)
    return found


def _updates(page: Any, console: Console, cluster: ScriptedCluster, fleet: list[Json]) -> Json:
    """From the API server's event to the screen, in ms, while a hundred others change each second."""
    page.goto(f"{console.address}/?sort=name")
    one, others = fleet[0], itertools.cycle(fleet[1:])
    page.locator(".row", has_text=one["metadata"]["name"]).wait_for()
    took = []
    for number in range(_UPDATES):
        changed = [_with_message(next(others), f"changed {number}") for _ in range(_BESIDE)]
        sent = time.time()
        cluster.put(_with_message(one, f"mark-{number}"), *changed)
        at: float = eventually(lambda: _shown_at(page, f"mark-{number}"), "it is shown", pause=0.02)  # noqa: B023
        took.append(at - 1000 * sent)
        time.sleep(max(0.0, sent + 0.1 - time.time()))
    return {
        "update_p50_ms": round(percentile(took, 0.5) or 0),
        "update_p95_ms": round(percentile(took, 0.95) or 0),
    }


def _with_message(thing: Json, message: str) -> Json:
    found = copy.deepcopy(thing)
    found["status"]["conditions"][0]["message"] = message
    return found


def _memory(page: Any) -> Json:
    """Of the page's JavaScript after a collection, and of its whole process, in MB."""
    session = page.context.new_cdp_session(page)
    session.send("HeapProfiler.collectGarbage")
    heap = session.send("Runtime.getHeapUsage")["usedSize"]
    renderers = [
        each
        for each in psutil.Process().children(recursive=True)
        if "--type=renderer" in " ".join(each.cmdline())
    ]
    own = max(each.memory_full_info().uss for each in renderers)
    return {"page_heap_mb": round(heap / 1e6, 1), "page_process_mb": round(own / 1e6)}
