"""Write (or, with ``--check``, compare) the drawings of docs/pictures that say how the operator is built.

The packages are drawn from ``.importlinter`` and the packages' own docstrings, the others from the tables below.
"""

import ast
import configparser
import sys
import textwrap
from dataclasses import dataclass
from pathlib import Path

from tools.drawing import LETTER_WIDTH, Drawing
from tools.sequences import failover, move

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / "docs" / "pictures"


def flow() -> Drawing:
    """A batch on its way: zip, ThingBatch, Secret, session, shadow, status."""
    draw = Drawing(980, 430, "From a batch of MIC to the device shadow, and back into status")
    draw.group((170, 20), (290, 390), "Kubernetes")
    draw.group((535, 140), (160, 190), "thing-operator")
    draw.group((780, 20), (180, 390), "MIC (AWS IoT Core)")
    draw.box((20, 60), (110, 60), "MIC's zip", ["a batch of things"], kind="cloud")
    draw.box((20, 280), (110, 60), "Git, kubectl", ["desired state"])
    draw.box((190, 60), (250, 60), "ThingBatch", ["imports the zip"], kind="ours")
    draw.box((230, 165), (210, 60), "Secret", ["thing-00001721: certificate, key"])
    draw.box((190, 265), (250, 130), "Thing", ["spec.desired", "status.shadow", "conditions"], kind="ours")
    draw.box(
        (550, 180), (130, 130), "Session", ["one a thing,", "MQTT over TLS,", "always connected"], kind="ours"
    )
    draw.box((795, 65), (150, 55), "App Board", ["and other services"])
    draw.box((795, 175), (150, 130), "Device shadow", ["desired", "reported", "delta"], kind="cloud")
    draw.box((795, 335), (150, 55), "Device", ["or spec.device"])
    draw.arrow((130, 90), (190, 90), label="1", at=(152, 82))
    draw.arrow((335, 120), (335, 165), label="2 one a thing", at=(345, 147), anchor="start")
    draw.arrow((210, 120), (210, 265), label="3", at=(218, 147), anchor="start")
    draw.arrow((130, 310), (190, 310), label="4", at=(152, 302))
    draw.arrow((440, 195), (550, 205), label="5 identity", at=(492, 190))
    draw.arrow((440, 300), (550, 245), label="6 desired", at=(472, 257))
    draw.arrow((550, 290), (440, 345), label="8 status", at=(512, 338))
    draw.arrow((680, 220), (795, 220), label="7 desired", at=(738, 212))
    draw.arrow((795, 265), (680, 265), label="8 reported, delta", at=(738, 285))
    draw.arrow((870, 120), (870, 175), both=True)
    draw.arrow((870, 335), (870, 305), both=True)
    return draw


def session_states() -> Drawing:
    """The phases of a session, by the names of ``Phase`` in session/model.py."""
    draw = Drawing(980, 300, "States of a session")
    size = (140, 60)
    draw.box((60, 60), size, "Connecting", ["turn, DNS, TCP,", "TLS, CONNECT"])
    draw.box((310, 60), size, "Subscribing", ["topic filters"])
    draw.box((560, 60), size, "Reading", ["the whole shadow"])
    draw.box((810, 60), size, "Ready", ["connected"], kind="good")
    draw.box((430, 215), size, "Waiting", ["for the next try"], kind="wait")
    draw.box((810, 215), size, "Closed", ["DISCONNECT sent"])
    draw.arrow((20, 90), (60, 90))
    draw.arrow((200, 90), (310, 90), label="CONNACK", at=(254, 82))
    draw.arrow((450, 90), (560, 90), label="SUBACK", at=(504, 82))
    draw.arrow((700, 90), (810, 90), label="get answered", at=(754, 82))
    draw.arrow((150, 120), (150, 170), (440, 165), (460, 215))
    draw.arrow((380, 120), (380, 165), (485, 180), (485, 215))
    draw.arrow((630, 120), (630, 165), (520, 180), (520, 215))
    draw.arrow((840, 120), (840, 190), (660, 235), (570, 240), label="lost, taken over", at=(742, 172))
    draw.text((504, 150), "refused, unreachable, no answer", size=12, halo=True)
    draw.arrow((430, 250), (200, 260), (85, 220), (85, 120), label="pause over,|or replace()", at=(175, 222))
    draw.arrow((905, 120), (905, 215), label="close()", at=(912, 172), anchor="start")
    draw.arrow((870, 60), (830, 15), (430, 15), (390, 60))
    draw.text((630, 22), "replace(): the broker has let the new connection in", size=12, halo=True)
    return draw


def status_entry_states() -> Drawing:
    """What the status writer knows of one object: kube/status_entry.py."""
    draw = Drawing(980, 320, "States of a status entry")
    size = (180, 60)
    draw.box((70, 60), size, "Current", ["the API server holds it"], kind="good")
    draw.box((400, 60), size, "Queued", ["a newer status is desired"], kind="wait")
    draw.box((730, 60), size, "In flight", ["sent, not answered yet"])
    draw.box((400, 240), size, "In doubt", ["which one is held?"], kind="wait")
    draw.arrow((20, 90), (70, 90))
    draw.arrow((250, 80), (400, 80), label="enqueue: another", at=(325, 72))
    draw.arrow((400, 105), (250, 105), label="enqueue: the same", at=(325, 123))
    draw.arrow((580, 80), (730, 80), label="interval and budget", at=(655, 72))
    draw.arrow((730, 105), (580, 105), label="postponed, or a newer|one is queued", at=(655, 123))
    draw.arrow((800, 60), (760, 10), (220, 10), (170, 60))
    draw.text((490, 20), "accepted", size=12, halo=True)
    draw.arrow((850, 120), (850, 250), (720, 285), (580, 285), label="no answer", at=(800, 240))
    draw.arrow((580, 258), (700, 250), (770, 190), (790, 120), label="pause over: sent again", at=(668, 232))
    draw.arrow(
        (160, 120), (160, 220), (280, 270), (400, 270), label="a list shows|somebody else's", at=(215, 205)
    )
    draw.arrow((490, 240), (490, 120), label="enqueue, even|the same again", at=(498, 185), anchor="start")
    return draw


@dataclass(frozen=True, slots=True)
class Layers:
    """What ``.importlinter`` allows: rows of packages from high to low, and who may import the stand-in."""

    rows: list[list[str]]
    offering: list[str]


def read_layers() -> Layers:
    """The contracts ``layers`` and ``product``."""
    parser = configparser.ConfigParser()
    parser.read(ROOT / ".importlinter", encoding="utf-8")
    lines = parser["importlinter:contract:layers"]["layers"].split("\n")
    rows = [[_last(name) for name in line.replace(":", "|").split("|")] for line in lines if line.strip()]
    allowed = parser["importlinter:contract:product"]["ignore_imports"].strip().splitlines()
    importers = {line.partition(" -> ")[0].split(".")[1] for line in allowed}
    return Layers(rows, [name for row in rows for name in row if name in importers])


def _last(module: str) -> str:
    return module.strip(" ()").rpartition(".")[2]


def purpose(package: str) -> str:
    """First line of a package's docstring, up to its colon or full stop if that leaves enough."""
    tree = ast.parse((ROOT / "operator" / package / "__init__.py").read_text(encoding="utf-8"))
    return (ast.get_docstring(tree) or "").split("\n")[0].rstrip(".").replace("``", "")


def packages() -> Drawing:
    """Rows from high to low: a package may import whatever is in a row below its own."""
    layers = read_layers()
    draw = Drawing(980, 0, "Packages of thing_operator and which may import which")
    left, right, gap = 60.0, 740.0, 12.0
    y = 50.0
    tops: dict[str, float] = {}
    for row in layers.rows:
        width = (right - left - gap * (len(row) - 1)) / len(row)
        texts = {name: _wrapped(purpose(f"thing_operator/{name}"), width) for name in row}
        height = 34 + 16 * max(map(len, texts.values()))
        for number, name in enumerate(row):
            draw.box(
                (left + number * (width + gap), y), (width, height), name, texts[name], kind="ours", mono=True
            )
        tops |= dict.fromkeys(row, y + height / 2)
        y += height + gap
    draw.text((left, 32), "thing_operator", size=14, bold=True, dim=True, mono=True, anchor="start")
    draw.arrow((34, 50), (34, y - gap))
    draw.parts.append(f'<g transform="rotate(-90 24 {y / 2:g})">')
    draw.text((24, y / 2), "may import what is below", size=12, dim=True)
    draw.parts.append("</g>")
    lines = _wrapped(purpose("thing_operator_local"), 180)
    for name in layers.offering:
        draw.arrow((right, tops[name]), (780, tops[name]), dashed=True)
    draw.box((780, 50), (180, y - gap - 50), "thing_operator_local", lines, kind="cloud", mono=True)
    draw.height = y + 10
    return draw


def _wrapped(text: str, width: float) -> list[str]:
    return textwrap.wrap(text, int((width - 16) / LETTER_WIDTH))


def pictures() -> dict[Path, str]:
    """Every drawing and what it should hold."""
    drawings = {
        "flow": flow(),
        "packages": packages(),
        "session": session_states(),
        "status-entry": status_entry_states(),
        "move": move(),
        "failover": failover(),
    }
    return {FOLDER / f"{name}.svg": drawing.svg() for name, drawing in drawings.items()}


def main() -> None:
    """Write the drawings, or end with status 1 if one is not what its sources say."""
    stale = [
        path
        for path, text in pictures().items()
        if not path.is_file() or path.read_text(encoding="utf-8") != text
    ]
    if sys.argv[1:] == ["--check"] and stale:
        sys.exit(f"not what it is made of says: {', '.join(path.name for path in stale)}: run make crds")
    for path in stale:
        path.write_text(pictures()[path], encoding="utf-8")


if __name__ == "__main__":
    main()
