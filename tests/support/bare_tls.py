"""TLS to the local cloud's broker without a client: for bytes that no client would send."""

import socket
import ssl

from tests.support.devices import tls_context

from thing_operator_local.cloud.client import CloudThing, LocalCloud


def context_of(cloud: LocalCloud, thing: CloudThing) -> ssl.SSLContext:
    """With the thing's certificate."""
    return tls_context(cloud.info.ca, thing.certificate_pem, thing.private_key_pem)


def dial(cloud: LocalCloud, context: ssl.SSLContext) -> ssl.SSLSocket:
    """Connected, before the first packet. Raises what TLS does."""
    plain = socket.create_connection((cloud.info.mqtt_host, cloud.info.mqtt_port), timeout=60)
    try:
        return context.wrap_socket(plain, server_hostname=cloud.info.mqtt_host)
    except BaseException:
        plain.close()
        raise
