"""What of paho's inside the transport stands on: not promised by its authors, so each new version is looked at here."""

import ast
import inspect
import socket
from pathlib import Path

from paho.mqtt import client as paho
from paho.mqtt.enums import CallbackAPIVersion

from thing_operator.mqtt import paho_client, transport
from thing_operator.mqtt.paho_client import PahoClient

PRIVATE = {
    "_create_socket": "(self) -> 'SocketLike'",
    "_handle_on_message": "(self, message: 'MQTTMessage') -> 'None'",
    "_packet_handle": "(self) -> 'MQTTErrorCode'",
    "_packet_queue": "(self, command: 'int', packet: 'bytes | bytearray', mid: 'int', qos: 'int', "
    "info: 'MQTTMessageInfo | None' = None) -> 'MQTTErrorCode'",
    "_send_puback": "(self, mid: 'int') -> 'MQTTErrorCode'",
    "_sock_close": "(self) -> 'None'",
    "_sock_recv": "(self, bufsize: 'int') -> 'bytes'",
}
"""Methods of paho's Client that we override or call, with their signatures.

``connect`` takes its socket from ``_create_socket``; every byte is read by ``_sock_recv``; each PUBLISH that arrives
ends in ``_handle_on_message``; each packet is taken by ``_packet_handle``; ``_sock_close`` closes without DISCONNECT.
``_send_puback`` acknowledges, and what is to be sent goes by ``_packet_queue``, which looks at no more of it than its
length.
"""


def test_paho_has_the_private_methods_that_we_use() -> None:
    assert {name: str(inspect.signature(getattr(paho.Client, name))) for name in PRIVATE} == PRIVATE


def test_we_use_no_other_private_methods_of_paho() -> None:
    assert _overridden() | _called() == PRIVATE.keys()


def test_what_we_override_is_what_paho_calls() -> None:
    methods = inspect.getmembers(paho.Client, inspect.isfunction)
    called = {
        name: {at for at, method in methods if name in method.__code__.co_names} for name in _overridden()
    }
    assert called == {
        "_create_socket": {"reconnect"},
        "_handle_on_message": {"_handle_publish", "_handle_pubrel"},
        "_packet_handle": {"_packet_read"},
        "_packet_queue": {
            "_send_command_with_mid",
            "_send_connect",
            "_send_disconnect",
            "_send_publish",
            "_send_simple_command",
            "_send_subscribe",
            "_send_unsubscribe",
        },
        "_send_puback": {"_handle_publish", "ack"},
        "_sock_recv": {"_packet_read"},
    }


def test_our_own_names_are_no_names_of_paho() -> None:
    theirs = paho.Client(CallbackAPIVersion.VERSION2)
    with socket.socket() as sock:
        ours = PahoClient(sock, "t1", limit=1024, deliver=print)  # type: ignore[arg-type]
    added = vars(ours).keys() - vars(theirs).keys()
    assert added == {
        "_acknowledgements",
        "_acknowledging",
        "_arrived",
        "_deliver",
        "_given",
        "_limit",
        "_pace",
        "connack_code",
        "error",
        "is_too_large",
    }, "one of ours is an attribute of paho, too"
    assert not {name for name in added if hasattr(paho.Client, name)}
    methods = {name for name in vars(PahoClient) if not name.startswith("__")}
    assert {name for name in methods if hasattr(theirs, name)} == _overridden()


def _overridden() -> set[str]:
    return {name for name in vars(PahoClient) if _is_private(name) and hasattr(paho.Client, name)}


def _called() -> set[str]:
    """Private attributes of ``self._client`` and of ``super()``."""
    trees = (
        ast.parse(Path(inspect.getfile(module)).read_text(encoding="utf-8"))
        for module in (paho_client, transport)
    )
    found = set()
    for node in (each for tree in trees for each in ast.walk(tree)):
        match node:
            case ast.Attribute(
                value=ast.Attribute(attr="_client") | ast.Call(func=ast.Name("super")), attr=name
            ) if _is_private(name):
                found.add(name)
    return found


def _is_private(name: str) -> bool:
    return name.startswith("_") and not name.startswith("__")
