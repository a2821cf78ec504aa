"""The MQTT hub: one connection per thing on the asyncio loop, its life, TLS, pacing and backoff."""
