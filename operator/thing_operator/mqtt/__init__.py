"""One MQTT connection of a thing: dialing, TLS, keep-alive, paho."""
