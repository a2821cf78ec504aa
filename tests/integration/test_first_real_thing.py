"""The commands of docs/introduction/first-real-thing.md as they stand, against the local cloud."""

import os
import re
import subprocess
import sys
from pathlib import Path

from tests.support.operator import Workspace

from thing_operator_local.controlplane import ControlPlane

PAGE = Path(__file__).resolve().parents[2] / "docs" / "introduction" / "first-real-thing.md"
LATER = ("## 6.", "## 7.", "## 8.", "## 9.", "## 10.")


def commands_of(step: str) -> str:
    """The commands of a step: what is indented."""
    _, _, text = PAGE.read_text(encoding="utf-8").partition(f"\n{step}")
    section = text.partition("\n## ")[0]
    return "".join(f"{line}\n" for line in re.findall(r"^    (.+)$", section, re.MULTILINE))


def test_a_thing_gets_ready_and_in_sync_by_the_pages_commands(
    workspace: Workspace, control_plane: ControlPlane, tmp_path: Path
) -> None:
    """But for what needs an account: the batch is the local cloud's, and the namespace is that of its operator."""
    data = workspace.cloud.create_batch(1, key_type="ec")
    (tmp_path / "batch.zip").write_bytes(data)
    (name,) = workspace.cloud.things(data)
    script = "".join(map(commands_of, LATER))
    assert script.count("THING=00001721\n") == 1
    script = script.replace("THING=00001721\n", f"THING={name}\n")
    made_already = 'kubectl create namespace "$NAMESPACE"\n'
    assert script.count(made_already) == 1
    script = f"NAMESPACE={workspace.namespace}\n{script.replace(made_already, '')}"
    programs = [str(Path(sys.executable).parent), str(control_plane.kubectl_path.parent), os.environ["PATH"]]
    env = os.environ | {"PATH": os.pathsep.join(programs), "KUBECONFIG": str(control_plane.kubeconfig)}
    shell = ["bash", "--noprofile", "--norc", "-euxo", "pipefail", "-c", script]
    done = subprocess.run(shell, cwd=tmp_path, env=env, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert (
        f"stored 1 thing in 1 Secret, and ThingBatch {workspace.namespace}/first to import them"
        in done.stdout
    )
    assert "NAME       READY   IN-SYNC   CONNECTED   REASON     PENDING   REPORTED   AGE" in done.stdout
    assert "… device" in done.stdout
