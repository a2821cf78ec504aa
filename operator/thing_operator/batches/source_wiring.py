"""Where zips come from, put together: Secrets, urls and MIC, by one client for https."""

from thing_operator.batches.cloud_source import CloudSource, MayOrder
from thing_operator.batches.find_zips import FindZips
from thing_operator.batches.publisher import BatchPublisher
from thing_operator.batches.sources import SourceReader
from thing_operator.config import BatchSettings
from thing_operator.core.clock import Clock
from thing_operator.download.https import HttpsClient
from thing_operator.informing.cache import ObjectCache
from thing_operator.kube.ports import ApiClient

__all__ = ["MayOrder", "wire_sources"]


def wire_sources(
    *,
    client: ApiClient,
    cache: ObjectCache,
    publisher: BatchPublisher,
    settings: BatchSettings,
    may_order: MayOrder,
    clock: Clock,
) -> FindZips:
    """Put together the stage that finds zips. Starts nothing."""
    https = HttpsClient(hosts=settings.url_hosts, ca_file=settings.ca_file)
    return FindZips(
        client=client,
        cache=cache,
        reader=SourceReader(client, https),
        cloud=CloudSource(https, manifest_url=settings.manifest_url, may_order=may_order, clock=clock),
        publisher=publisher,
    )
