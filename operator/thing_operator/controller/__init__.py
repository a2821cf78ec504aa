"""From watched objects to sessions and status: queue, reconcilers, one status writer."""
