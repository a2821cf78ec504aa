"""Virtual time here, too: an hour without a connection takes no time."""

from tests.unit.session.conftest import pytest_asyncio_loop_factories

__all__ = ["pytest_asyncio_loop_factories"]
