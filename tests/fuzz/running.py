"""Runs one target in a process of its own: libFuzzer ends its process at the first finding."""

import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[2]
TARGETS: Final = tuple(sorted(file.stem for file in (Path(__file__).parent / "targets").glob("[a-z]*.py")))
LIMITS: Final = ("-timeout=10", "-rss_limit_mb=1024", "-max_len=65536", "-print_final_stats=1")
"""Seconds of one input, memory of the process, and bytes of an input."""
_SPARE: Final = 120
_STATS: Final = re.compile(r"^stat::(\w+):\s*(\d+)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Run:
    """What has become of one target."""

    target: str
    executions: int
    per_second: int
    kept: int
    """Inputs of the corpus, seeds included."""
    peak_mib: int
    findings: tuple[Path, ...]


def run(target: str, folder: Path, *, seconds: int) -> Run:
    """Fuzz a target for so long, beginning with the corpus in ``folder``, where findings and the log are left."""
    corpus, findings = folder / "corpus", folder / "findings"
    for each in (corpus, findings):
        each.mkdir(parents=True, exist_ok=True)
    before = set(findings.iterdir())
    options = (*LIMITS, f"-max_total_time={seconds}", f"-artifact_prefix={findings}/")
    command = [sys.executable, "-m", "tests.fuzz.one", target, str(corpus), *options]
    done = subprocess.run(
        command,
        cwd=ROOT,
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
        timeout=seconds + _SPARE,
    )
    (folder / "log").write_text(done.stdout + done.stderr, encoding="utf-8")
    stats = {name: int(number) for name, number in _STATS.findall(done.stderr)}
    found = tuple(sorted(set(findings.iterdir()) - before))
    if not stats or (done.returncode and not found):
        raise RuntimeError(f"{target} did not run:\n{done.stderr[-4000:]}")
    return Run(
        target,
        executions=stats["number_of_executed_units"],
        per_second=stats["average_exec_per_sec"],
        kept=sum(1 for _ in corpus.iterdir()),
        peak_mib=stats["peak_rss_mb"],
        findings=found,
    )
