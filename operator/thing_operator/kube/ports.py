"""Small types that the reconcilers share."""

from collections.abc import Callable

from thing_operator.core.reasons import Reason
from thing_operator.core.resource import ObjectKey
from thing_operator.kube.records import ObjectRecord

Enqueue = Callable[[ObjectKey], None]
"""Put an object's key on the queue: look at it again soon."""

RecordEvent = Callable[[ObjectRecord, Reason, str], None]
"""Record an Event about an object, with reason and message; its type is the reason's."""
