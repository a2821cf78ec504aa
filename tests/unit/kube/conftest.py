"""What tests of the status writer share."""

from collections.abc import AsyncIterator

import pytest
from tests.unit.kube.writer_on_fake import WriterOnFake


@pytest.fixture
async def setup() -> AsyncIterator[WriterOnFake]:
    made = WriterOnFake()
    await made.writer.start()
    yield made
    await made.writer.stop()
