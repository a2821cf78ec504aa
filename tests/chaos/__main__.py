"""``make chaos``: replicas on real parts, and dice for what goes wrong; the invariants are the simulation's."""

import argparse
import asyncio
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from tests.chaos.plan import GENTLE, HARD
from tests.chaos.run import ChaosOptions, run
from tests.support.chronicle import announcer

from thing_operator_local.toolchain import reporter_for


def main(arguments: Sequence[str] | None = None) -> int:
    """0 when no invariant was broken."""
    parser = argparse.ArgumentParser(prog="make chaos", description=__doc__)
    parser.add_argument("--minutes", type=float, default=5.0, help="of faults, before it gets quiet (5)")
    parser.add_argument("--hours", type=float, help="the same in hours")
    parser.add_argument("--things", type=int, default=500, help="how many (500)")
    parser.add_argument("--replicas", type=int, default=3, help="how many (3)")
    parser.add_argument("--seed", type=int, default=int(time.time()), help="of all dice (the time of day)")
    parser.add_argument("--every", type=float, help="seconds between two faults on average (4; gentle: 60)")
    parser.add_argument("--pace", type=float, help="changes a second by all clients together (20; gentle: 5)")
    parser.add_argument("--only", default="", help="faults whose name has this word")
    parser.add_argument(
        "--gentle", action="store_true", help="few faults: whether memory, descriptors and logs stay flat"
    )
    parser.add_argument("--dir", type=Path, help="keep state and logs here")
    asked = parser.parse_args(arguments)
    kinds = GENTLE if asked.gentle else HARD
    options = ChaosOptions(
        seconds=60 * (asked.minutes if asked.hours is None else 60 * asked.hours),
        things=asked.things,
        replicas=asked.replicas,
        seed=asked.seed,
        every=asked.every or (60.0 if asked.gentle else 4.0),
        pace=asked.pace or (5.0 if asked.gentle else 20.0),
        gentle=asked.gentle,
        kinds={kind: often for kind, often in kinds.items() if asked.only in kind},
    )
    console = Console(stderr=True)
    with tempfile.TemporaryDirectory(prefix="chaos-") as temporary:
        folder = asked.dir or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        report = asyncio.run(
            run(folder, options, reporter=reporter_for(console), announce=announcer(console))
        )
    print(report.text)
    return 1 if report.broken else 0


if __name__ == "__main__":
    sys.exit(main())
