"""Where things are found: zips and folders, Secrets, MIC's list, and the Things that are there."""

import base64
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from tests.support.pki import Pair, ec_pairs
from tests.unit.credentials.zips import build, members_of

from thing_operator.adopt.cluster import cluster_of, things_of
from thing_operator.adopt.files import things_in_files
from thing_operator.adopt.model import FoundThing
from thing_operator.adopt.stack import found_of
from thing_operator.core.errors import ToolError
from thing_operator.core.reasons import ToolReason
from thing_operator.credentials import ArchiveRefusedError
from thing_operator.mic import ThingItem

NOW = datetime.now(UTC)
ONE, TWO = ec_pairs(2)


def store(folder: Path, pair: Pair, certificate: str = "cert.pem", private_key: str = "privkey.pem") -> None:
    folder.mkdir(parents=True)
    (folder / certificate).write_bytes(pair.certificate)
    (folder / private_key).write_bytes(pair.private_key)


def read(source: Path) -> dict[str, FoundThing]:
    return {one.thing_name: one for one in things_in_files(source, now=NOW)}


class TestFiles:
    def test_a_folder_of_folders_and_zips_at_any_depth(self, tmp_path: Path) -> None:
        store(tmp_path / "a", ONE)
        store(tmp_path / "more" / "b", TWO, "tls.crt", "tls.key")
        (tmp_path / "more" / "batch.ZIP").write_bytes(build(members_of({"c": ONE})))
        (tmp_path / "README.md").write_text("not of interest")
        store(tmp_path / ".git" / "d", ONE)
        found = read(tmp_path)
        assert {name for name, one in found.items() if one.credentials} == {"a", "b", "c"}
        assert found["c"].source == str(tmp_path / "more" / "batch.ZIP")
        assert list(read(tmp_path / "a")) == ["a"]

    def test_what_is_wrong_with_one_is_said_and_the_others_are_read(self, tmp_path: Path) -> None:
        store(tmp_path / "good", ONE)
        store(tmp_path / "mixed", Pair(ONE.certificate, TWO.private_key))
        store(tmp_path / "no name", ONE)
        store(tmp_path / "half", ONE)
        (tmp_path / "half" / "privkey.pem").unlink()
        store(tmp_path / "large", ONE)
        (tmp_path / "large" / "cert.pem").write_bytes(b"x" * 70_000)
        (tmp_path / "batch.zip").write_bytes(
            build(members_of({"zipped": Pair(TWO.certificate, ONE.private_key)}))
        )
        found = read(tmp_path)
        words = {
            "mixed": "belong",
            "no name": "no thing name",
            "half": "cert.pem and privkey.pem are needed",
            "large": "too large",
            "zipped": "belong",
        }
        assert {name for name, one in found.items() if one.credentials} == {"good"}
        for name, named in words.items():
            assert named in str(found[name].problem)

    def test_nothing_found_is_said(self, tmp_path: Path) -> None:
        with pytest.raises(ToolError, match="holds no thing") as caught:
            read(tmp_path)
        assert caught.value.reason == ToolReason.NO_USABLE_THING

    def test_what_cannot_be_read_is_said(self, tmp_path: Path) -> None:
        with pytest.raises(ToolError, match=r"cannot read .*none\.zip") as caught:
            read(tmp_path / "none.zip")
        assert caught.value.reason == ToolReason.UNREADABLE
        (tmp_path / "bad.zip").write_bytes(b"PK no zip")
        with pytest.raises(ArchiveRefusedError, match=r"bad\.zip: "):
            read(tmp_path / "bad.zip")

    def test_a_zip_that_is_refused_does_not_end_the_others(self, tmp_path: Path) -> None:
        store(tmp_path / "a", ONE)
        (tmp_path / "bad.zip").write_bytes(b"PK no zip")
        found = read(tmp_path)
        assert list(found) == ["a", str(tmp_path / "bad.zip")]
        assert str(found[str(tmp_path / "bad.zip")].problem).startswith(f"{tmp_path / 'bad.zip'}: ")


def secret(name: str, pair: Pair | None = ONE, **annotations: str) -> dict[str, Any]:
    data = {"tls.crt": pair.certificate, "tls.key": pair.private_key} if pair else {}
    encoded = {key: base64.b64encode(value).decode() for key, value in data.items()}
    return {"metadata": {"name": name, "annotations": annotations}, "data": encoded}


class TestSecrets:
    def test_the_name_or_the_annotation_says_which_thing(self) -> None:
        annotated = secret("mine")
        annotated["metadata"]["annotations"] = {"thing-operator.io/thing-name": "My_Thing:1"}
        found = list(things_of([secret("thing-00001721"), annotated, secret("ingress-tls")], now=NOW))
        assert [(one.thing_name, one.secret_name) for one in found] == [
            ("00001721", "thing-00001721"),
            ("My_Thing:1", "mine"),
        ]
        assert all(one.credentials for one in found)

    @pytest.mark.parametrize(
        ("body", "words"),
        [
            (secret("thing-my-thing-1.0a1b2c3d"), "kubectl annotate secret thing-my-thing-1.0a1b2c3d"),
            (secret("thing-a", None), "Secret thing-a: it has nothing"),
            (secret("thing-a") | {"data": {"tls.crt": "?", "tls.key": "x"}}, "no base64"),
        ],
    )
    def test_what_is_wrong_is_said(self, body: dict[str, Any], words: str) -> None:
        [one] = things_of([body], now=NOW)
        assert one.credentials is None
        assert words in str(one.problem)


def test_the_things_that_are_there_by_the_thing_they_run() -> None:
    bodies: list[dict[str, Any]] = [
        {"metadata": {"namespace": "n", "name": "freezer-1"}, "spec": {"thingName": "00001721"}},
        {"metadata": {"namespace": "n", "name": "00001722"}, "spec": {}},
        {"metadata": {"namespace": "m", "name": "x"}},
    ]
    cluster = cluster_of(bodies)
    assert cluster.by_thing == {"00001721": "n/freezer-1", "00001722": "n/00001722", "x": "m/x"}
    assert cluster.things == {"n/freezer-1": "00001721", "n/00001722": "00001722", "m/x": "x"}


@pytest.mark.parametrize(
    ("item", "words"),
    [
        (ThingItem("a"), None),
        (ThingItem("a", protocol="mqtt"), None),
        (ThingItem("a", protocol="iotgw"), "MIC's gateway runs it"),
        (ThingItem("hub__a", parent="hub"), "its parent hub speaks for"),
        (ThingItem("no name"), "no thing name"),
    ],
)
def test_what_of_mics_things_the_operator_can_run(item: ThingItem, words: str | None) -> None:
    found = found_of(item)
    assert (found.thing_name, found.credentials) == (item.name, None)
    assert (words in str(found.elsewhere)) if words else found.elsewhere is None
