"""``kubectl thing``: what people ask of Things in a cluster, with their own rights."""
