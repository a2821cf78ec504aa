"""The console's pictures in README and docs: its real page in Chromium, over a fleet that is played.

    python -m tools.record_console

Not compared by ``make check``: fonts and times differ from machine to machine.
"""

import base64
import copy
import math
import tempfile
import time
from pathlib import Path
from typing import Any

from tests.integration.console.shown import THING_VIEW, enter, populate
from tests.support.console import Console, chromium, running_console
from tests.support.console_cluster import ScriptedCluster, scripted_cluster

PICTURES = Path(__file__).resolve().parents[1] / "docs" / "pictures"
_SIZE = 2000
_SAMPLES = 60
_EVERY_SECONDS = 0.5
_TO_WEBP = """async (png) => {
  const image = await createImageBitmap(await (await fetch(`data:image/png;base64,${png}`)).blob());
  const canvas = Object.assign(document.createElement("canvas"), { width: image.width, height: image.height });
  canvas.getContext("2d").drawImage(image, 0, 0);
  return canvas.toDataURL("image/webp", 0.75).split(",")[1];
}"""


def main() -> None:
    """Make them all."""
    with tempfile.TemporaryDirectory() as name, scripted_cluster(Path(name)) as cluster:
        hero = populate(cluster, size=_SIZE)
        with running_console(cluster.kubeconfig, Path(name), "-A") as console, chromium() as browser:
            page = browser.new_context(viewport={"width": 1280, "height": 800}).new_page()
            enter(page, console)
            page.locator(".row .c-health").first.wait_for()
            _store(page, "console-fleet")
            _report(page, console, cluster, hero)
            page.emulate_media(color_scheme="dark")
            page.locator(".chart canvas").first.wait_for()
            time.sleep(1.5)  # the lines are drawn once a second
            _store(page, "console-thing")


def _report(page: Any, console: Console, cluster: ScriptedCluster, hero: dict[str, Any]) -> None:
    """Have a device report for half a minute, while its page is open."""
    page.goto(console.address + THING_VIEW)
    page.locator(".values").first.wait_for()
    for number in range(_SAMPLES):
        changed = copy.deepcopy(hero)
        shadow = changed["status"]["shadow"]
        shadow["version"] += number
        shadow["reported"]["temperature"] = round(-18.2 + 1.4 * math.sin(number / 7), 1)
        shadow["reported"]["humidity"] = round(41 + 3 * math.cos(number / 11), 1)
        cluster.put(changed)
        time.sleep(_EVERY_SECONDS)


def _store(page: Any, name: str) -> None:
    """What is seen of the page, as WebP: a fifth of a PNG. Another page converts it, since this one may not."""
    png = page.screenshot()
    other = page.context.new_page()
    webp = other.evaluate(_TO_WEBP, base64.b64encode(png).decode())
    other.close()
    (PICTURES / f"{name}.webp").write_bytes(base64.b64decode(webp))


if __name__ == "__main__":
    main()
