"""What startup and readiness say of the watches, and of the comparison with the API server's lists."""

from datetime import timedelta

from tests.support.clock import FakeClock

from thing_operator.api.names import BATCHES, THINGS
from thing_operator.app.probes import Progress, ready_checks, startup_checks
from thing_operator.core.errors import INSTALL_CRDS
from thing_operator.kube.errors import ApiUnavailableError, ForbiddenError, NotFoundError
from thing_operator.kube.resources import SECRETS
from thing_operator.observability.checks import CheckResult
from thing_operator.watching.stream_health import StreamHealth


class Watched:
    """Things in two namespaces, batches and Secrets in one."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.a, self.b, self.batches, self.secrets = (
            StreamHealth(resource, namespace, clock=self.clock)
            for resource, namespace in ((THINGS, "a"), (THINGS, "b"), (BATCHES, "a"), (SECRETS, "a"))
        )
        self.progress = Progress(
            [self.a, self.b, self.batches],
            [self.secrets],
            clock=self.clock,
            resync_interval=timedelta(minutes=5),
        )

    def list_all(self) -> None:
        self.progress.has_begun = True
        for each in (self.a, self.b, self.batches, self.secrets):
            each.listed()

    def not_ready(self) -> dict[str, str]:
        good = CheckResult(ok=True, detail="runs")
        checks = ready_checks(progress=self.progress, tasks=lambda: good, kopf=lambda: good)
        found = {name: check() for name, check in checks.items()}
        return {name: result.detail for name, result in found.items() if not result.ok}


def test_the_start_says_what_it_waits_for() -> None:
    watched = Watched()
    watched.a.listed()
    (check,) = startup_checks(watched.progress).values()
    assert check() == CheckResult(
        ok=False, detail="being listed: things in b, thingbatches in a, secrets in a"
    )
    watched.b.failed(ApiUnavailableError("no connection"))
    detail = "being listed: things in b (no connection), thingbatches in a, secrets in a"
    assert check() == CheckResult(ok=True, detail=detail), "a restart would not help"
    assert watched.not_ready()["firstLists"] == detail
    watched.progress.has_begun = True
    assert check() == CheckResult(ok=True, detail="done")


def test_each_watch_that_is_broken_for_a_minute_is_named_with_what_to_do() -> None:
    watched = Watched()
    watched.list_all()
    assert watched.not_ready() == {}
    watched.b.failed(ForbiddenError("403: have its Role extended"))
    watched.clock.advance(59)
    assert watched.not_ready() == {}
    watched.clock.advance(1)
    assert watched.not_ready() == {"thingWatch in b": "broken for 60 s: 403: have its Role extended"}
    watched.b.showed()
    assert watched.not_ready() == {}


def test_a_kind_without_crd_is_named_at_once() -> None:
    watched = Watched()
    watched.list_all()
    watched.batches.failed(NotFoundError("404"))
    assert watched.not_ready() == {"crds": f"the cluster does not know thingbatches: {INSTALL_CRDS}"}


def test_a_comparison_that_is_long_ago_is_named() -> None:
    watched = Watched()
    assert "things in a, things in b, thingbatches in a" in watched.not_ready()["resync"]
    watched.list_all()
    watched.clock.advance(961)
    watched.a.listed()
    watched.batches.listed()
    assert watched.not_ready() == {"resync": "too long ago for things in b; at most 960 s ago is fine"}
