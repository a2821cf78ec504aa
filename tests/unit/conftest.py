"""Unit tests run on virtual time: waiting takes none, and what happens when is the same on every machine."""

import asyncio
from collections.abc import Callable, Mapping

import pytest
from tests.support.loop import VirtualTimeLoop


def pytest_asyncio_loop_factories(
    config: pytest.Config, item: pytest.Item
) -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Virtual time, but for a test that is marked ``real_time`` since it has sockets or threads."""
    if item.get_closest_marker("real_time"):
        return {"real": asyncio.new_event_loop}
    return {"virtual": VirtualTimeLoop}
