"""A fresh thing of the cloud, and a device that speaks for it."""

from collections.abc import Iterator

import pytest
from tests.support.broker_log import Explained, new_lines_of
from tests.support.cloud import Things
from tests.support.devices import Device

from thing_operator_local.cloud.client import CloudThing, LocalCloud


@pytest.fixture
def thing(things: Things) -> CloudThing:
    return things(1)[0]


@pytest.fixture
def device(cloud: LocalCloud, thing: CloudThing) -> Iterator[Device]:
    """Connected, and subscribed to all topics of its shadow."""
    with Device(cloud.info, thing) as device:
        device.subscribe_all()
        yield device


@pytest.fixture
def explained(cloud: LocalCloud) -> Explained:
    """The reason of what this test is refused is found in the broker's log."""
    return new_lines_of(cloud)
