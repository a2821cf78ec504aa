"""Chance that always takes one end of the range: shows where jitter begins and ends."""

import random


class Highest(random.Random):
    """Always the end of the range."""

    def uniform(self, a: float, b: float) -> float:
        """The upper end."""
        return b


class Lowest(random.Random):
    """Always the start of the range."""

    def uniform(self, a: float, b: float) -> float:
        """The lower end."""
        return a
