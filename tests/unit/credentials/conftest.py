"""What all tests of credentials share."""

import pytest
from tests.support.pki import Pair, ec_pairs


@pytest.fixture(scope="session")
def fleet() -> dict[str, Pair]:
    """Three usable things by name, as MIC numbers them."""
    return dict(zip(("00000041", "00000042", "00000043"), ec_pairs(3), strict=True))
