"""What a person sees of the Things in a cluster, by their own rights: read, decided, and rendered by the command."""
