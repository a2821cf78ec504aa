"""Reading a batch zip, checking certificates and keys, naming Secrets: pure functions."""
