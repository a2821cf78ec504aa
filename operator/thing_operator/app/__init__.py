"""The process: settings to SIGTERM, wiring, probes, supervision, kopf."""
