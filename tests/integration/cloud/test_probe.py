"""``thing-operator probe`` against the local cloud, whose answers are known."""

import json
from pathlib import Path

import pytest
from tests.support.background import background_loop
from tests.support.cloud import Things
from tests.support.proxy import ConnectProxy, Socks5Proxy
from typer.testing import CliRunner, Result

from thing_operator.cli.main import app
from thing_operator.core.errors import ToolError
from thing_operator_local.cloud.client import CloudThing, LocalCloud


def probe(cloud: LocalCloud, thing: CloudThing, folder: Path, *options: str, name: str = "") -> Result:
    (folder / "cert.pem").write_bytes(thing.certificate_pem)
    (folder / "privkey.pem").write_bytes(thing.private_key_pem)
    info = cloud.info
    arguments = ["probe", "--endpoint", info.mqtt_host, "--port", str(info.mqtt_port)]
    arguments += ["--ca", str(info.ca), "--thing", name or thing.name]
    arguments += ["--certificate", str(folder / "cert.pem"), "--key", str(folder / "privkey.pem")]
    return CliRunner().invoke(app, [*arguments, *options])


def answers(result: Result) -> dict[str, str]:
    assert result.exit_code == 0, result.output
    return {each["question"]: each["found"] for each in json.loads(result.stdout)}


def test_reading_answers_and_changes_nothing(cloud: LocalCloud, things: Things, tmp_path: Path) -> None:
    (thing,) = things(1)
    found = answers(probe(cloud, thing, tmp_path, "-o", "json"))
    assert found == {
        "may the client id be another one than the thing's name?": "no: Not authorized",
        "which response topics may be subscribed to?": "all 8",
        "and all of them by a wildcard?": "yes",
        "the topics of a named shadow?": "yes",
        "jobs?": "yes",
        "the classic shadow": f"404 \"No shadow exists with name: '{thing.name}'\", with the token",
        "the answer for a named shadow that is not there": (
            f"404 \"No shadow exists with name: '{thing.name}~thing_operator_probe'\", with timestamp"
        ),
    }
    assert cloud.get_shadow(thing) is None


def test_writing_answers_more_and_leaves_the_shadow_as_it_was(
    cloud: LocalCloud, things: Things, tmp_path: Path
) -> None:
    fresh, used = things(2)
    found = answers(probe(cloud, fresh, tmp_path, "--write", "-o", "json"))
    assert found["do 1 and 1.0 differ?"] == "no"
    assert found["the metadata time of an equal value written again"] == "it is new"
    assert found["{} over an object"] == "changes nothing"
    assert found["the version after delete and create"] == "deleted at 6, recreated with 8"
    assert cloud.get_shadow(fresh) is None
    before = {"desired": {"a": 1}, "reported": {"b": [1]}}
    cloud.update_shadow(used, before)
    found = answers(probe(cloud, used, tmp_path, "--write", "-o", "json"))
    assert "the version after delete and create" not in found
    after = cloud.get_shadow(used)
    assert after is not None
    assert {name: after["state"][name] for name in before} == before


def test_the_table_names_pages_that_can_be_opened(cloud: LocalCloud, things: Things, tmp_path: Path) -> None:
    (thing,) = things(1)
    result = probe(cloud, thing, tmp_path)
    assert result.exit_code == 0, result.output
    table, _, pages = result.stdout.rpartition("┘\n")
    assert "jobs?" in table
    for number, line in enumerate(pages.splitlines(), 1):
        assert line.startswith(f"[{number}] https://docs.aws.amazon.com/iot/latest/developerguide/")
        assert f"[{number}]" in table


def test_a_thing_that_is_not_let_in_is_named(cloud: LocalCloud, things: Things, tmp_path: Path) -> None:
    one, two = things(2)
    result = probe(cloud, one, tmp_path, name=two.name)
    assert result.exit_code == 1
    assert f"does not let {two.name} in" in str(result.exception)


@pytest.mark.parametrize("kind", [ConnectProxy, Socks5Proxy])
def test_through_a_proxy(
    kind: type[ConnectProxy] | type[Socks5Proxy], cloud: LocalCloud, things: Things, tmp_path: Path
) -> None:
    (thing,) = things(1)
    password = tmp_path / "password"
    password.write_text("hush\n")
    proxy = kind(cloud.info.mqtt_port, login=("plant", "hush"))
    with background_loop() as wait:
        wait(proxy.__aenter__())
        by = ["--proxy", proxy.url_of_user, "--proxy-password-file", str(password), "-o", "json"]
        assert answers(probe(cloud, thing, tmp_path, *by))["jobs?"] == "yes"
        assert set(proxy.asked) == {f"{cloud.info.mqtt_host}:{cloud.info.mqtt_port}"}
        password.write_text("wrong")
        said = probe(cloud, thing, tmp_path, *by).exception
        assert isinstance(said, ToolError)
        assert "does not take the credentials: correct the user in --proxy" in said.message
        wait(proxy.__aexit__())


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--proxy", "proxy:1080"], "--proxy: a URL of socks5://"),
        (["--proxy", "http://plant@proxy:1"], "--proxy-password-file"),
        (
            ["--proxy", "socks5://localhost:1"],
            "the proxy localhost:1 cannot be reached (it refuses connections)",
        ),
    ],
)
def test_a_proxy_that_leads_nowhere(
    options: list[str], words: str, cloud: LocalCloud, things: Things, tmp_path: Path
) -> None:
    (thing,) = things(1)
    said = probe(cloud, thing, tmp_path, *options).exception
    assert isinstance(said, ToolError)
    assert words in said.message
