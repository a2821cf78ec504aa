"""``cloud batch``, replaced certificates and a killed cloud: over TLS, with the cloud in a process of its own."""

import stat
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from tests.support.cloud import Things
from tests.support.devices import Device

from thing_operator.cli.main import main
from thing_operator.credentials import read_batch
from thing_operator_local.cloud.client import CloudRefusedError, LocalCloud, MicSession
from thing_operator_local.errors import LocalError
from thing_operator_local.toolchain import Reporter

Run = Callable[..., tuple[int, str]]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs ``thing-operator cloud batch``: exit code, and what it says."""

    def call(*arguments: object) -> tuple[int, str]:
        monkeypatch.setattr(sys, "argv", ["thing-operator", "cloud", "batch", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            main()
        assert isinstance(ended.value.code, int)
        return ended.value.code, capsys.readouterr().err

    return call


class TestCloudBatch:
    def test_writes_a_zip_for_the_owner_alone(self, cloud: LocalCloud, run: Run, tmp_path: Path) -> None:
        output = tmp_path / "batch.zip"
        output.write_bytes(b"of yesterday")
        output.chmod(0o644)
        code, said = run("--dir", cloud.folder, "--size", 3, "--key-type", "ec", "--output", output)
        assert code == 0
        assert f"{output}: 3 things" in said
        assert stat.S_IMODE(output.stat().st_mode) == 0o600
        entries = read_batch(output.read_bytes(), now=datetime.now(UTC))
        assert [entry.problem for entry in entries] == [None] * 3
        assert list(tmp_path.iterdir()) == [output]

    def test_no_cloud_in_the_folder(self, run: Run, tmp_path: Path) -> None:
        code, said = run("--dir", tmp_path, "--size", 1, "--output", tmp_path / "batch.zip")
        assert code == 1
        assert f"thing-operator cloud run --dir {tmp_path}" in said.replace("\n", " ")

    @pytest.mark.parametrize("size", [0, 1001, "many"])
    def test_size_out_of_range(self, run: Run, tmp_path: Path, size: object) -> None:
        code, said = run("--dir", tmp_path, "--size", size, "--output", tmp_path / "batch.zip")
        assert code == 2
        assert "--size" in said

    def test_refusal_of_the_api_is_one_message(self, cloud: LocalCloud, run: Run, tmp_path: Path) -> None:
        output = tmp_path / "batch.zip"
        code, said = run("--dir", cloud.folder, "--size", 1, "--thing-type", "Bad", "--output", output)
        assert code == 1
        # With the brackets: they are no markup.
        assert "thingType does not match ^[a-z0-9-_]+$" in said
        assert not output.exists()

    def test_output_that_cannot_be_written(self, cloud: LocalCloud, run: Run, tmp_path: Path) -> None:
        for output, complaint in ((tmp_path, "is a folder"), (tmp_path / "none" / "b.zip", "no folder")):
            code, said = run("--dir", cloud.folder, "--size", 1, "--output", output)
            assert code == 1
            assert complaint in said


def test_replaced_certificate_stops_working_at_once(cloud: LocalCloud, things: Things) -> None:
    (old,) = things(1)
    cloud.update_shadow(old, {"reported": {"a": 1}})
    with Device(cloud.info, old) as device:
        new = cloud.replace_certificate(old)
        device.expect_closed()
    with pytest.raises(CloudRefusedError) as refused:
        cloud.get_shadow(old)
    assert refused.value.status == 403
    again = Device(cloud.info, old)
    assert again.connect().connack != "Success"
    again.client.loop_stop()

    document = cloud.get_shadow(new)
    assert document is not None
    assert document["state"]["reported"] == {"a": 1}
    with Device(cloud.info, new):
        pass


def test_batch_of_a_killed_cloud_is_finished_by_the_next(tmp_path: Path, reporter: Reporter) -> None:
    with LocalCloud(tmp_path / "cloud", reporter=reporter) as cloud:
        session = MicSession(cloud.info)
        batch_id = session.order_batch(1000, thing_type="freezer", domain="root", key_type="ec")

        def kill_halfway(done: int) -> None:
            if 0 < done < 1000:
                cloud.stop(grace=0)

        with pytest.raises(LocalError, match="does not answer"):
            session.wait_for_batch(batch_id, progress=kill_halfway)
        cloud.start()
        made = cloud.things(MicSession(cloud.info).wait_for_batch(batch_id))
        assert len(made) == 1000
        for name in (min(made), max(made)):
            cloud.update_shadow(made[name], {"reported": {"here": True}})
