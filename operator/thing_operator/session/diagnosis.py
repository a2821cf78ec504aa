"""What the shadow service's silence or refusal means for a person, and what to do. Pure."""

from thing_operator.mqtt.errors import MessagesRefusedError, NotAuthorizedError
from thing_operator.mqtt.model import SessionSpec
from thing_operator.session.errors import ShadowSilentError


def explain_denied_filters(*, spec: SessionSpec, filters: list[str]) -> NotAuthorizedError:
    """SUBACK refused these filters (0x80): the certificate's policy lacks a right."""
    return NotAuthorizedError(
        f"{spec.endpoint.host} refused the subscription to {', '.join(filters)}: the certificate's policy "
        "must allow iot:Subscribe and iot:Receive on these topics"
    )


def explain_silent_shadow(*, spec: SessionSpec, seconds: float) -> ShadowSilentError:
    """The subscription was granted and the broker has taken the reads, and no answer came within so many seconds."""
    return ShadowSilentError(
        f"{spec.endpoint.host} answers no read of the shadow in {seconds:g} s: either the shadow service is away, and "
        f"other things have no answer either, or {_rights_to_hear(spec)}"
    )


def explain_undelivered(*, spec: SessionSpec) -> NotAuthorizedError:
    """No read was ever answered with these credentials, time after time."""
    return NotAuthorizedError(
        f"{spec.endpoint.host} grants the subscriptions of {spec.thing_name} and delivers nothing: "
        f"{_rights_to_hear(spec)}; if other things have no answer either, the shadow service is away"
    )


def _rights_to_hear(spec: SessionSpec) -> str:
    return (
        f"the policy of certificate {spec.identity.fingerprint} must allow iot:Receive and iot:Publish on the shadow "
        f"topics of {spec.thing_name}"
    )


def explain_malformed(*, spec: SessionSpec, count: int) -> MessagesRefusedError:
    """``count`` messages in a short time were none of the shadow service."""
    return MessagesRefusedError(
        f"{count} messages within a minute on the shadow topics of {spec.thing_name} were none of the shadow service: "
        f"find out who publishes there on {spec.endpoint.host}; the operator's log says what is wrong with them"
    )


def explain_forbidden_service(*, spec: SessionSpec, prefix: str) -> str:
    """Connections have ended whenever another service than the shadow was asked, on topics below ``prefix``."""
    return (
        f"{spec.endpoint.host} ends the connection whenever {prefix} is asked for: the policy of certificate "
        f"{spec.identity.fingerprint} must allow iot:Subscribe, iot:Receive and iot:Publish on the topics below it; "
        "it is not tried again with this certificate"
    )


def explain_forbidden_child(*, spec: SessionSpec) -> NotAuthorizedError:
    """The connection of the parent has ended whenever the shadow of this child was asked for; ``spec`` has its name."""
    return NotAuthorizedError(
        f"{spec.endpoint.host} ends the connection of its parent at the topics of {spec.thing_name}: the policy of "
        f"certificate {spec.identity.fingerprint} must allow iot:Subscribe, iot:Receive and iot:Publish on the shadow "
        "topics of networked things; it is tried again after some minutes"
    )


def explain_full_parent(*, spec: SessionSpec, room: int, wildcard: bool) -> str:
    """Older children have the ``room`` that there is on the connection of the parent, whose ``spec`` it is."""
    more = "" if wildcard else ", or have session.topicFilters set to wildcard, by which more fit"
    return (
        f"thing {spec.thing_name} can carry {room} networked children, since AWS IoT allows 50 subscriptions on a "
        f"connection, and there are so many older ones: delete one of those, or make another Thing for it "
        f"below another parent{more}"
    )
