"""The objects of a kind as the API server has them, kept so for any operator: cache, informer, queue of reconciles."""
