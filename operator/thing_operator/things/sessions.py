"""Giving a Thing the session its spec and its Secret ask for, and no other."""

import logging
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

from thing_operator.core.clock import Clock
from thing_operator.core.errors import ThingOperatorError, UserError
from thing_operator.core.reasons import Reason
from thing_operator.core.resource import ObjectKey
from thing_operator.device import offline_report
from thing_operator.kube.cache import ObjectCache
from thing_operator.kube.client import KubeClient
from thing_operator.kube.records import ObjectRecord
from thing_operator.session import Endpoint, Hub, Identity, SessionSpec, Will
from thing_operator.shadow.messages import encode_update
from thing_operator.shadow.topics import will_topic
from thing_operator.things.credentials import CaNotFoundError, ThingIdentity, read_identity
from thing_operator.things.observation import Problem
from thing_operator.things.resolved import ResolvedThing
from thing_operator.things.runtime import ThingRuntime

log = logging.getLogger(__name__)


class SessionManager:
    """Opens, replaces and closes sessions; reads credentials when they may have changed.

    ``on_news`` is told whose session has something new to see.
    """

    def __init__(
        self,
        *,
        client: KubeClient,
        hub: Hub,
        cache: ObjectCache,
        default_ca: str | None,
        on_news: Callable[[ObjectKey], None],
        clock: Clock,
    ) -> None:
        self._client = client
        self._hub = hub
        self._cache = cache
        self._default_ca = default_ca
        self._on_news = on_news
        self._clock = clock

    async def ensure(
        self, record: ObjectRecord, runtime: ThingRuntime, target: ResolvedThing, *, presence: bool
    ) -> None:
        """Have the session that ``target`` asks for under way; bad credentials leave a running one alone.

        ``presence``: its last will says that the thing is offline.

        Bad credentials are noted in ``runtime``. Raises CaNotFoundError and what the API server raises.
        """
        identity = await self._changed_identity(record, runtime, target)
        spec = self._session_spec(target, identity, presence=presence, now_in_use=runtime.session_spec)
        if spec is None:
            return
        if runtime.session is not None and runtime.session_spec == spec:
            return
        rotates = runtime.session_spec is not None and runtime.session_spec.thing_name == spec.thing_name
        if runtime.session is not None and rotates:
            runtime.session.replace(spec)
        else:
            key = record.key
            runtime.last_view = None
            runtime.session = self._hub.open(spec, lambda _session: self._on_news(key))
        runtime.session_spec = spec

    async def close(self, runtime: ThingRuntime, *, report_offline: bool) -> None:
        """End the session, if there is one; ``report_offline``: a thing that reports presence says it is offline."""
        session, spec = runtime.session, runtime.session_spec
        runtime.session, runtime.session_spec = None, None
        runtime.stop_device()
        runtime.forget_credentials()
        if session is None:
            return
        if report_offline and spec is not None and spec.will is not None and session.view.connected:
            try:
                await session.update(reported=offline_report())
            except ThingOperatorError as error:
                log.info("%s could not say that it goes offline: %s", spec.thing_name, error.message)
        runtime.last_view = session.view
        await session.close()

    def _session_spec(
        self,
        target: ResolvedThing,
        identity: ThingIdentity | None,
        *,
        presence: bool,
        now_in_use: SessionSpec | None,
    ) -> SessionSpec | None:
        """The session as it is to be; without a new identity that of the running one, None when there is none."""
        will = _offline_will(target.thing_name) if presence else None
        if identity is None:
            return replace(now_in_use, will=will) if now_in_use is not None else None
        credentials = identity.credentials
        return SessionSpec(
            thing_name=target.thing_name,
            endpoint=Endpoint(host=target.host, port=target.port, ca_pem=identity.ca_pem or self._default_ca),
            identity=Identity(
                certificate_pem=credentials.certificate_pem,
                private_key_pem=credentials.private_key_pem,
                fingerprint=credentials.fingerprint,
            ),
            will=will,
        )

    async def _changed_identity(
        self, record: ObjectRecord, runtime: ThingRuntime, target: ResolvedThing
    ) -> ThingIdentity | None:
        """Credentials and CA, when there is reason to read them and they are good; else None."""
        source = (target, record.uid)
        now = self._clock.now()
        if runtime.credentials_source == source and not _turned(runtime, now=now):
            return None
        namespace = record.key.namespace
        names = (target.secret_name, target.ca_secret_name)
        self._cache.refer(record.key, (ObjectKey(namespace, name) for name in names if name))
        identity: ThingIdentity | None = None
        try:
            identity = await read_identity(self._client, namespace=namespace, target=target, now=now)
            runtime.credentials, runtime.credentials_problem = identity.credentials, None
        except CaNotFoundError:
            raise
        except UserError as error:
            waits = error.reason == Reason.SECRET_NOT_FOUND
            runtime.credentials_problem = Problem(error.reason, error.message, stalled=not waits)
        runtime.credentials_source = source
        return identity


def _offline_will(thing_name: str) -> Will:
    return Will(topic=will_topic(thing_name), payload=encode_update(reported=offline_report()))


def _turned(runtime: ThingRuntime, *, now: datetime) -> bool:
    """Whether the verdict may be another one by now although no Secret has changed: a certificate has begun or
    ceased to be valid, or a right may have been given.
    """
    problem, credentials = runtime.credentials_problem, runtime.credentials
    if problem is not None:
        return problem.reason in {Reason.NOT_YET_VALID, Reason.FORBIDDEN}
    return credentials is not None and credentials.not_after <= now
