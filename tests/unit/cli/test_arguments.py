"""What several commands ask of their arguments."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from thing_operator.cli.main import app
from thing_operator.core.host_names import NO_HOST_NAME


@pytest.mark.parametrize(
    ("command", "option"),
    [
        (["probe", "--thing=t", "--certificate={file}", "--key={file}"], "--endpoint"),
        (["adopt", "--output={file}", "--no-cluster"], "--endpoint"),
        (["adopt", "--output={file}", "--no-cluster", "--offline"], "--stack"),
        (["batch", "create", "{file}.zip", "--user=u", "--password=p", "--batch-id=1"], "--stack"),
    ],
    ids=" ".join,
)
@pytest.mark.parametrize("host", ["https://h", "h:8883", "<host>"])
def test_a_host_is_a_name_for_every_command(
    tmp_path: Path, command: list[str], option: str, host: str
) -> None:
    file = tmp_path / "file"
    file.touch()
    done = CliRunner().invoke(app, [*(word.format(file=file) for word in command), option, host])
    assert done.exit_code in (1, 2)
    assert f"{option} {host}: {NO_HOST_NAME}" in f"{done.stderr}{done.exception}"
