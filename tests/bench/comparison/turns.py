"""Two products in turns, A B A B, so that a machine that gets slower or faster does so for both."""

import asyncio
import os
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.bench.comparison.run import Conditions, run_product
from tests.bench.product import Product

from thing_operator_local.toolchain import Reporter

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Runs:
    """Figures by name of each run of the two products at one size, in the order of the runs."""

    size: int
    old: list[Json] = field(default_factory=list)
    new: list[Json] = field(default_factory=list)

    @property
    def pairs(self) -> int:
        """How many runs of the old product have one of the new product beside them."""
        return min(len(self.old), len(self.new))


@dataclass(frozen=True, slots=True)
class Turns:
    """The two products, and what is asked of both; ``folder`` keeps state and logs when it is given."""

    old: Product
    new: Product
    reporter: Reporter
    announce: Callable[[str], None]
    folder: Path | None = None

    def take(self, conditions: Conditions, *, pairs: int) -> Iterator[Runs]:
        """All runs so far, each time that a pair is complete. Old and new by turns, each in a world of its own."""
        runs = Runs(conditions.size)
        for number in range(1, pairs + 1):
            for title, product, results in (("old", self.old, runs.old), ("new", self.new, runs.new)):
                self.announce(f"{conditions.size:,} Things, pair {number} of {pairs}: {title}")
                figures = self._run(product, conditions, f"{conditions.size}-{number}-{title}")
                # Beside the figures, to tell a machine that had other things to do.
                results.append(figures | {"load_average": os.getloadavg()[0]})
            yield runs

    def _run(self, product: Product, conditions: Conditions, name: str) -> Json:
        if self.folder is None:
            with tempfile.TemporaryDirectory(prefix="thing-operator-bench-") as temporary:
                return self._run_in(Path(temporary), product, conditions)
        folder = self.folder.absolute() / name
        folder.mkdir(parents=True)
        return self._run_in(folder, product, conditions)

    def _run_in(self, folder: Path, product: Product, conditions: Conditions) -> Json:
        run = run_product(product, conditions, folder=folder, reporter=self.reporter, announce=self.announce)
        return asyncio.run(run)
