"""The Leases of this process, put together from its settings."""

from thing_operator.app.controllers import Controllers
from thing_operator.config import Settings
from thing_operator.core.clock import Clock
from thing_operator.core.errors import UserError
from thing_operator.core.resource import ObjectRef
from thing_operator.kube.contact import Contact
from thing_operator.kube.ports import ApiClient
from thing_operator.leadership import words
from thing_operator.leadership.claim import Terms
from thing_operator.leadership.identity import own_identity, process_runs
from thing_operator.leadership.leadership import Callbacks, Leadership
from thing_operator.observability.checks import Check, CheckResult
from thing_operator.sharding.membership import Membership


def make_leadership(
    client: ApiClient,
    *,
    settings: Settings,
    membership: Membership | None = None,
    contact: Contact,
    clock: Clock,
    take_over: bool,
) -> Leadership:
    """Starts nothing. ``clock`` goes on while the machine sleeps; ``take_over``: from whoever has the Leases now.

    The replicas of a group are one operator.
    """
    me = own_identity(settings.lease.identity)
    return Leadership(
        client,
        namespaces=settings.namespaces,
        home=settings.lease.namespace,
        terms=Terms(
            me=str(me) if membership is None else membership.group.text,
            rank=None if membership is None else membership.rank,
            duration=settings.lease.duration,
            has_ended=lambda holder: me.outlives(holder, runs=process_runs),
        ),
        contact=contact,
        clock=clock,
        take_over=take_over,
    )


def callbacks_of(controllers: Controllers, leadership: Leadership) -> Callbacks:
    """What follows for the objects when a namespace begins or ceases to be this operator's."""

    async def catch_up(namespace: str | None) -> None:
        for controller in controllers:
            informer = controller.informer
            kept = [each for each in controller.cache if namespace in {None, each.key.namespace}]
            for each in kept:
                if not leadership.runs(each.key.namespace):
                    # What the status writer knows of it is older than what another operator has written.
                    controllers.writer.stand_back(ObjectRef(informer.resource, each.key, each.uid))
            try:
                await informer.relist_namespace(namespace)
            except UserError:
                if kept:
                    raise  # else there is nothing to run: no such kind, or no right to it
        await controllers.intents.recover(lambda each: namespace in {None, each})

    return Callbacks(changed=controllers.on_leadership_change, catch_up=catch_up)


def vouches(leadership: Leadership, namespace: str) -> bool:
    """Whether what a reconcile knows of the specs in a namespace may be sent: the API server answers, and all was
    listed since. Who had to stand down meanwhile has listed it, too, but a reconcile that is under way began before.
    """
    return leadership.runs(namespace) and not leadership.contact.is_outdated


def lease_checks(leadership: Leadership) -> dict[str, Check]:
    """What readiness says of them. Who waits is ready: that it runs nothing is as it should be, and said."""

    def leases() -> CheckResult:
        waiting = [words.waiting(claim, lease) for claim, lease in leadership.waits_for()]
        denied = [words.denied(claim) for claim in leadership.claims() if claim.denied and claim.runs]
        return CheckResult(ok=True, detail="; ".join([*waiting, *denied]) or "held")

    def api_server() -> CheckResult:
        contact = leadership.contact
        silence = f"{contact.silence.total_seconds():.0f} s ago"
        if not contact.is_lost:
            return CheckResult(ok=True, detail=f"answered {silence}")
        return CheckResult(
            ok=False,
            detail=f"answered {silence}: sessions go on, but nothing is sent from specs and no drift is repaired; see "
            "whether the API server works, and the way to it",
        )

    return {"leases": leases, "apiServer": api_server}
