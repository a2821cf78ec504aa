"""Small types that the reconcilers share."""

from collections.abc import Callable

from thing_operator.controller.kube import ObjectKey

Enqueue = Callable[[ObjectKey], None]
"""Put an object's key on the queue: look at it again soon."""
