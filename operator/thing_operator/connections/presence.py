"""A Thing that reports whether it is online (``spec.device.connectionStatus``)."""

from thing_operator.api.thing import ThingSpec
from thing_operator.device import offline_report
from thing_operator.session import Will
from thing_operator.shadow.messages import encode_update
from thing_operator.shadow.topics import will_topic


def has_presence(spec: ThingSpec) -> bool:
    """Whether the spec asks for it."""
    return spec.device is not None and bool(spec.device.connection_status)


def offline_will(thing_name: str) -> Will:
    """The last will that reports the thing as offline."""
    return Will(topic=will_topic(thing_name), payload=encode_update(reported=offline_report()))
