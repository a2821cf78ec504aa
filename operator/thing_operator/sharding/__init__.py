"""Which replica runs which Things: shards, the members that hold them, and how a shard goes from one to another."""
