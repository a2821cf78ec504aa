"""The watch stack: what the API server shows, by kopf and by a watch of our own; each stream stands for itself."""
