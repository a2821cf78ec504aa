"""Chance and identity of a simulated operator: all of it comes from the seed.

The operator makes its generators and names by itself, here and there. So the doors of the standard library that
they come through lead to the seed's generator while a simulation runs, and whatever is built later is in it, too.
"""

import random
import secrets
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any
from unittest.mock import patch


@contextmanager
def seeded_random(dice: random.Random) -> Iterator[None]:
    """Let nothing in the process be random but by ``dice``."""
    plain = random.Random

    def seeded(*seed: Any) -> random.Random:
        return plain(*(seed or (dice.getrandbits(64),)))

    def token_hex(count: int = 16) -> str:
        return f"{dice.getrandbits(8 * count):0{2 * count}x}"

    with ExitStack() as patches:
        for door, replaced in (
            ((random, "Random"), seeded),
            ((random, "SystemRandom"), seeded),
            ((secrets, "token_hex"), token_hex),
            ((uuid, "uuid4"), lambda: uuid.UUID(int=dice.getrandbits(128), version=4)),
        ):
            patches.enter_context(patch.object(*door, replaced))
        state = random.getstate()
        random.seed(dice.getrandbits(64))
        try:
            yield
        finally:
            random.setstate(state)
