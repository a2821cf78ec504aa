"""A person at the bridge: the way to a pod, a token for some minutes, a report or what a thing does from then on."""
