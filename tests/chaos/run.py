"""One run: a fleet, its four clients and its troubles; then quiet, and a judgment."""

import asyncio
import signal
import time
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.chaos.faults import Trouble, await_running
from tests.chaos.growth import Samples
from tests.chaos.plan import make_chaos_plan
from tests.chaos.record import Record
from tests.chaos.rules import Broken, Judge, Quiet
from tests.chaos.stage import Stage
from tests.chaos.timeline import timeline
from tests.chaos.writers import Writers, pieces_of_keys
from tests.simulation.invariants import Invariant
from tests.support.audit import AuditLog
from tests.support.session_story import SessionStory

from thing_operator_local.errors import LocalError
from thing_operator_local.toolchain import Reporter

Announce = Callable[[str], None]

_CATCH_UP = 300.0
"""Seconds after the last trouble in which everything has to come to where it belongs."""
_QUIET = 30.0
"""Seconds in which nothing may happen then."""
_POLL = 3.0
_SHOWN = 10
_SAMPLE = 5.0


@dataclass(frozen=True, slots=True)
class ChaosOptions:
    """``every``: seconds between two faults on average; ``pace``: changes a second; ``kinds``: of faults, how often."""

    seconds: float
    things: int
    replicas: int
    seed: int
    every: float
    pace: float
    gentle: bool
    kinds: Mapping[str, int]


@dataclass
class Report:
    """What became of a run."""

    broken: list[Broken]
    lines: list[str] = field(default_factory=list)

    @property
    def text(self) -> str:
        """For a person."""
        return "\n".join(self.lines)


async def run(folder: Path, options: ChaosOptions, *, reporter: Reporter, announce: Announce) -> Report:
    """The whole of it; ``folder`` takes all state and all logs."""
    me = asyncio.current_task()
    assert me is not None
    asyncio.get_running_loop().add_signal_handler(
        signal.SIGTERM, me.cancel
    )  # namespaces and mounts do not stay
    async with AsyncExitStack() as stack:
        stage = await stack.enter_async_context(Stage(folder, reporter=reporter, replicas=options.replicas))
        record = await stack.enter_async_context(Record(stage))
        data = await asyncio.to_thread(stage.cloud.create_batch, options.things, key_type="ec")
        things = stage.cloud.things(data)
        writers = Writers(
            stage,
            record,
            [things[name] for name in sorted(things)],
            seed=options.seed,
            pace=options.pace,
        )
        trouble = Trouble(stage, record, sorted(things))
        life = ChaosRun(options, stage, record, writers, trouble, announce=announce)
        return await life.live()


class ChaosRun:
    """The parts of a run, and what is done with them one after the other."""

    def __init__(
        self,
        options: ChaosOptions,
        stage: Stage,
        record: Record,
        writers: Writers,
        trouble: Trouble,
        *,
        announce: Announce,
    ) -> None:
        self._options = options
        self._stage = stage
        self._record = record
        self._writers = writers
        self._trouble = trouble
        self._announce = announce
        self._judge = Judge(stage, record)
        self._samples = Samples()
        self._names = sorted(writers.identities)
        self._times: dict[str, float] = {}

    async def live(self) -> Report:
        """Begin, have trouble, get quiet, be judged."""
        options = self._options
        plan = make_chaos_plan(
            options.seed,
            seconds=options.seconds,
            replicas=options.replicas,
            things=options.things,
            every=options.every,
            kinds=options.kinds,
        )
        self._announce(f"seed {options.seed}: {options.things} Things, {options.replicas} replicas")
        self._announce(self._stage.no_spaces or "each replica is in a network namespace")
        await self._writers.make_all()
        for post in self._stage.posts:
            self._stage.start(post)
        await await_running(self._stage)
        await self._catch_up("all are Ready")
        self._announce(f"{len(plan.faults)} faults in {plan.seconds:.0f} s")
        async with asyncio.TaskGroup() as group:  # which ends with the first that fails
            watch = group.create_task(self._look_after())
            changes = group.create_task(self._writers.run(options.seconds))
            await self._trouble.run(plan.faults)
            await changes
            self._announce("all is healed")
            await self._writers.finish()
            self._judge.broken += await self._catch_up("all is as it should be")
            watch.cancel()
        if not self._judge.broken:
            await self._be_quiet()
        await self._be_judged()
        return self._report()

    # --- while it goes on

    async def _look_after(self) -> None:
        """No replica ends by itself; and what each uses."""
        seen: set[str] = set()
        while True:
            self._record.check()
            for post in self._stage.posts:
                replica = post.replica
                if replica is None or post.lock.locked():
                    continue
                try:
                    replica.check_running()
                except LocalError as error:
                    if replica.name not in seen:
                        self._judge.violate(Invariant.ALIVE, str(error))
                    seen.add(replica.name)
                await asyncio.to_thread(self._samples.take, replica)
            await asyncio.sleep(_SAMPLE)

    async def _catch_up(self, what: str) -> list[Broken]:
        """Wait until nothing is behind; what still is after a while."""
        began, behind = time.monotonic(), list[Broken]()
        while time.monotonic() - began < _CATCH_UP:
            try:
                quiet = await asyncio.to_thread(Quiet.of, self._stage)
                behind = self._judge.behind(quiet)
            except (LocalError, OSError, KeyError) as error:  # an object that is not shown yet
                behind = [Broken(Invariant.STATUS_TRUE, time.time(), repr(error))]
            if not behind:
                break
            await asyncio.sleep(_POLL)
        self._times[what] = time.monotonic() - began
        self._announce(f"{what}: after {self._times[what]:.0f} s, {len(behind)} are behind")
        for each in behind[:_SHOWN]:
            self._announce(f"  {each}")
        return behind

    async def _be_quiet(self) -> None:
        """Nothing is written, connected or ended any more."""
        audit = AuditLog(self._stage.plane.audit_log)
        deadline = time.monotonic() + _CATCH_UP
        while self._judge.judge_writes(audit).keys() - {"leases"}:  # Events come ten a second
            if time.monotonic() > deadline:
                self._judge.violate(Invariant.QUIET, "the operators write on and on")
                return
            await asyncio.sleep(_POLL * 3)
        began, statuses = time.time(), len(self._record.statuses)
        await asyncio.sleep(_QUIET)
        written = self._judge.judge_writes(audit)
        del written["leases"]
        story = SessionStory.of(
            (each for each in self._stage.cloud.session_events() if each.at.timestamp() > began),
            clients=self._names,
        )
        if written or len(self._record.statuses) > statuses or story.connects or story.ends:
            what = [f"{seen.life.tag}" for seen in self._record.statuses[statuses:]]
            words = f"writes {dict(written)}, statuses {what}, CONNECTs {dict(story.connects)}, ends {dict(story.ends)}"
            self._judge.violate(Invariant.QUIET, words)

    async def _be_judged(self) -> None:
        secrets = pieces_of_keys(list(self._writers.identities.values()))
        self._judge.judge()
        self._judge.judge_logs(secrets)
        for words in (text for _, _, text in self._record.texts):
            self._judge.judge_text(words, secrets, "a Thing")

    # --- what is said of it

    def _report(self) -> Report:
        broken = sorted(self._judge.broken, key=lambda each: each.at)
        story = SessionStory.of(self._stage.cloud.session_events(), clients=self._names)
        options = self._options
        lines = [
            f"seed {options.seed}: {options.things} Things, {options.replicas} replicas, {options.seconds:.0f} s",
            _counted("faults", self._trouble.counts),
            _counted("faults that this machine does not have", self._trouble.skipped),
            _counted("changes", self._writers.counts),
            _counted("judged", self._judge.judged),
            _counted("sessions ended", story.ends),
            f"CONNECTs: {story.connects.total()}; wills: {story.wills.total()}",
            *(f"{what}: after {seconds:.0f} s" for what, seconds in self._times.items()),
        ]
        growth = list(self._samples.growth()) if options.gentle else []
        lines += map(str, growth)
        broken += [
            Broken(Invariant.QUIET, time.time(), f"grows: {each}") for each in growth if not each.is_flat
        ]
        lines.append(f"{len(broken)} violations")
        for rule, count in Counter(each.rule for each in broken).items():
            lines.append(f"  {count} of {rule.name}: {rule}")
        lines += [f"  {_clock(each.at)} {each}" for each in broken[:20]]
        firsts = {each.rule: each for each in reversed(broken)}
        for each in sorted(firsts.values(), key=lambda each: each.at):
            lines += ["", f"around the first one of {each.rule.name}, {_clock(each.at)}:"]
            seen = timeline(each, self._record, self._stage)
            lines += [f"  {_clock(at)} {words}" for at, words in seen]
        return Report(broken, lines)


def _counted(what: str, counts: Mapping[str, int]) -> str:
    found: Any = sorted(counts.items(), key=lambda each: -each[1])
    total = sum(counts.values())
    return f"{what}: {total}" + (
        f" ({', '.join(f'{count} {name}' for name, count in found)})" if found else ""
    )


def _clock(at: float) -> str:
    return time.strftime("%H:%M:%S", time.localtime(at)) + f".{int(at * 1000) % 1000:03d}"
