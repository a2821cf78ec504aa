"""The kind Thing: one straight reconcile, its stages, and the pure decisions they carry out."""
