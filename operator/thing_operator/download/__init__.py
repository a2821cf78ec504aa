"""Guarded https to foreign hosts, for addresses that come from outside."""
