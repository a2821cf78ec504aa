"""A person's report for a thing, by the bridge: the way to a pod, a token for some minutes, one request."""
