"""The membership of this process in its group of replicas, put together from its settings."""

import random

from thing_operator.config import BridgeSettings, Settings
from thing_operator.core.clock import BootClock, Clock
from thing_operator.kube.ports import ApiClient
from thing_operator.leadership.identity import own_identity, process_runs
from thing_operator.sharding.member import Fellows, Group
from thing_operator.sharding.membership import Membership
from thing_operator.sharding.own_lease import OwnLease, Timing
from thing_operator.sharding.protocol import Member


def make_membership(client: ApiClient, *, settings: Settings, clock: Clock) -> Membership | None:
    """None when the settings name no group: then it shares with nobody. Starts nothing. ``clock``: of sessions."""
    sharding = settings.sharding
    if sharding.group is None:
        return None
    me = own_identity(settings.lease.identity)
    timing = Timing(
        duration=sharding.lease_duration.total_seconds(),
        interval=sharding.renew_interval.total_seconds(),
        calm=sharding.calm.total_seconds(),
    )
    fellows = Fellows(duration=timing.duration)
    own = OwnLease(
        me.host.lower(),
        str(me),
        fellows=fellows,
        timing=timing,
        has_ended=lambda holder: me.outlives(holder, runs=process_runs),
    )
    group = Group(
        name=sharding.group,
        namespace=sharding.namespace or settings.lease.namespace,
        duration=sharding.lease_duration,
        pod_uid=sharding.pod_uid,
        bridge=_bridge_address(settings.bridge),
    )
    return Membership(
        client,
        group,
        Member(own, fellows, timing),
        clock=BootClock(),
        session_clock=clock,
        rng=random.Random(),  # noqa: S311 - jitter, not secrets
    )


def _bridge_address(settings: BridgeSettings) -> str | None:
    """Where the other members reach the bridge; None where they cannot."""
    address = settings.advertised_address
    if not settings.port or address is None:
        return None
    return f"http://[{address}]:{settings.port}" if ":" in address else f"http://{address}:{settings.port}"
