"""The shadow service's own connection to the broker."""

import socket
import ssl
from pathlib import Path

from tests.integration.session.scripted import scripted_server
from tests.support.pki import Authority

from thing_operator_local.cloud.service_link import ServiceLink


async def test_an_answer_does_not_wait_until_the_one_before_is_confirmed(tmp_path: Path) -> None:
    authority = Authority.new()
    identity = authority.identity("service")
    pair = tmp_path / "service.pem"
    pair.write_bytes(identity.certificate_pem + identity.private_key_pem)
    context = ssl.create_default_context(cadata=authority.pem)
    context.load_cert_chain(pair)
    async with scripted_server(authority, tmp_path) as broker:
        link = ServiceLink(context)
        await link.connect("localhost", broker.port, lambda _messages: None)
        assert link._client is not None
        sock = link._client.socket()
        assert isinstance(sock, socket.socket)
        assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        link.close()
