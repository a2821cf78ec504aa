"""Giving a Thing the session its spec and its Secret ask for, and no other."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from typing import cast

from thing_operator.connections.children import ChildSessions, SessionOf
from thing_operator.connections.credentials import (
    CaNotFoundError,
    CaStore,
    SecretNotFoundError,
    ThingIdentity,
    read_identity,
)
from thing_operator.connections.session_slot import SessionSlot
from thing_operator.connections.succession import Succession, offline_will, say_offline
from thing_operator.core.clock import Clock
from thing_operator.core.errors import UserError
from thing_operator.core.resource import ObjectKey
from thing_operator.credentials import CaBundle, CredentialsError
from thing_operator.informing.cache import ObjectCache
from thing_operator.kube.ports import ApiClient
from thing_operator.kube.snapshot import ObjectSnapshot
from thing_operator.session import ChildSession, Endpoint, Hub, Identity, Session, SessionSpec
from thing_operator.twin.problem import Problem
from thing_operator.twin.resolved import ResolvedThing


class SessionManager:
    """Opens, replaces and closes sessions; reads credentials when they may have changed.

    ``on_session_change`` gets the key of a Thing whose session sees something new.
    """

    def __init__(
        self,
        *,
        client: ApiClient,
        hub: Hub,
        cache: ObjectCache,
        default_ca: CaBundle | None,
        secrets_seen: Callable[[str], str | None],
        may_connect: Callable[[ObjectKey, str, float | None], bool],
        without_secret: timedelta,
        on_session_change: Callable[[ObjectKey], None],
        session_of: SessionOf,
        clock: Clock,
    ) -> None:
        """``secrets_seen``: the newest resource version that is known of the Secrets in a namespace.
        ``may_connect``: whether the object of this key and uid may be connected, and when the other side ended its
        last connection. ``without_secret``: how long a session lives on without its Secret. ``session_of``: that of
        the parent of a networked child.
        """
        self._client = client
        self._hub = hub
        self._cache = cache
        self._default_ca = default_ca
        self._cas = CaStore(hub.budget)
        self._secrets_seen = secrets_seen
        self._may_connect = may_connect
        self._without_secret = without_secret
        self._on_session_change = on_session_change
        self._clock = clock
        self._succession = Succession()
        self.children = ChildSessions(session_of, on_session_change=on_session_change)

    async def identify(
        self, snapshot: ObjectSnapshot, slot: SessionSlot, resolved: ResolvedThing
    ) -> ThingIdentity | None:
        """Credentials and CA, when there is reason to read them and they are good; else None.

        Bad credentials are noted in ``slot``. Raises CaNotFoundError and what the API server raises.
        """
        source = (resolved, snapshot.uid)
        now = self._clock.now()
        read_since = timedelta(seconds=self._clock.monotonic() - slot.read_at)
        if slot.credentials_source == source and not slot.is_outdated(now=now, read_since=read_since):
            return None
        namespace = snapshot.key.namespace
        names = (resolved.secret_name, resolved.ca_secret_name)
        self._cache.index_secrets(snapshot.key, (ObjectKey(namespace, name) for name in names if name))
        identity: ThingIdentity | None = None
        slot.prepared = None
        slot.read_at = self._clock.monotonic()
        try:
            identity = await read_identity(
                self._client,
                namespace=namespace,
                resolved=resolved,
                now=now,
                cas=self._cas,
                not_before=self._secrets_seen(namespace),
            )
            slot.credentials, slot.credentials_problem, slot.ends_at = identity.credentials, None, None
            slot.record.use((resolved, identity.credentials.fingerprint, identity.ca))
        except CaNotFoundError:
            raise
        except UserError as error:
            self._note_problem(slot, error, now=now)
        slot.credentials_source = source
        return identity

    def _note_problem(self, slot: SessionSlot, error: UserError, *, now: datetime) -> None:
        message, waits = error.message, isinstance(error, SecretNotFoundError)
        if waits and slot.session is not None:
            slot.ends_at = slot.ends_at or now + self._without_secret
            message += (
                f"; the session lives until {slot.ends_at:%Y-%m-%dT%H:%M:%SZ}, and nothing is written by it"
            )
        problem_ends_at = error.ends_at if isinstance(error, CredentialsError) else None
        slot.credentials_problem = Problem(error.reason, message, stalled=not waits, ends_at=problem_ends_at)

    async def prepare(self, snapshot: ObjectSnapshot, slot: SessionSlot, resolved: ResolvedThing) -> None:
        """As :meth:`identify`, and keep what a session can be made of at once."""
        identity = await self.identify(snapshot, slot, resolved)
        if identity is not None:
            namespace = snapshot.key.namespace
            slot.prepared = self._session_spec(namespace, resolved, identity, now_in_use=None)

    async def ensure(
        self,
        snapshot: ObjectSnapshot,
        slot: SessionSlot,
        resolved: ResolvedThing,
        identity: ThingIdentity | None,
    ) -> None:
        """Have the session that ``resolved`` asks for under way, with the ``identity`` that :meth:`identify` gave;
        without one a running session goes on with what it has, and another is made of what was prepared.
        """
        namespace, before = snapshot.key.namespace, slot.spec or slot.prepared
        spec = self._session_spec(namespace, resolved, identity, now_in_use=before)
        slot.prepared = None
        if spec is None:
            return
        if slot.session is not None and slot.spec == spec:
            return
        rotates = slot.spec is not None and slot.spec.thing_name == spec.thing_name
        if slot.session is not None and rotates:
            cast("Session", slot.session).replace(spec)
        else:
            slot.last_view = None
            session = await self._succession.take(snapshot.key, spec) or self._open(snapshot.key, spec)
            session.may_connect = partial(self._may_connect, snapshot.key, snapshot.uid)
            slot.session = session
        slot.spec = spec

    async def close(self, slot: SessionSlot, *, report_offline: bool) -> None:
        """End the session, if there is one; ``report_offline``: a thing that reports presence says it is offline."""
        session, spec = slot.withdraw()
        if session is None or spec is None:
            return
        if report_offline:
            await say_offline(session, spec)
        slot.last_view = session.view
        await session.close()

    def leave(self, key: ObjectKey, slot: SessionSlot, *, uid: str) -> None:
        """The Thing of this key and uid is deleted: its session is kept for a moment, for one of the same name."""
        session, spec = slot.withdraw()
        if isinstance(session, ChildSession):
            self._succession.end(key, session)
        elif session is not None and spec is not None:
            self._succession.leave(key, cast("Session", session), spec, uid=uid)

    async def end_left(self, is_given: Callable[[str], bool]) -> None:
        """End what deleted Things of these uids have left: see :meth:`Succession.end_of`."""
        await self._succession.end_of(is_given)

    def _open(self, key: ObjectKey, spec: SessionSpec) -> Session:
        def changed(session: Session) -> None:
            if not self._succession.notice(session):
                self._on_session_change(key)

        return self._hub.open(spec, changed)

    def _session_spec(
        self,
        namespace: str,
        resolved: ResolvedThing,
        identity: ThingIdentity | None,
        *,
        now_in_use: SessionSpec | None,
    ) -> SessionSpec | None:
        """The session as it is to be; without a new identity that of ``now_in_use``, None when there is none."""
        will = offline_will(resolved.thing_name) if resolved.presence else None
        if identity is None:
            return replace(now_in_use, will=will) if now_in_use is not None else None
        credentials = identity.credentials
        return SessionSpec(
            thing_name=resolved.thing_name,
            endpoint=Endpoint(
                host=resolved.host,
                port=resolved.port,
                ca=identity.ca or self._default_ca,
                public_only=resolved.public_only,
            ),
            identity=Identity(
                certificate_pem=credentials.certificate_pem,
                private_key_pem=credentials.private_key_pem,
                fingerprint=credentials.fingerprint,
            ),
            will=will,
            namespace=namespace,
        )
