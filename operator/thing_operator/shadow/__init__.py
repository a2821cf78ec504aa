"""Device shadow documents, merge, delta, plan, topics and wire messages: pure functions."""
