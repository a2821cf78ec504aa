"""Batches that a person has had in hands: what is still read, and what is said of each folder."""

import base64
import io
import json
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import astuple, replace
from datetime import datetime

import pytest
from tests.support.pki import (
    NOT_BEFORE,
    NOW,
    SECOND,
    Pair,
    ec_pair,
    encrypted,
    key_pem,
    pair_for,
    rsa_key,
)
from tests.unit.credentials import zips
from tests.unit.credentials.zips import Member, build, members_of

from thing_operator.credentials import ArchiveRefusedError, BatchEntry, read_batch

Fleet = dict[str, Pair]


def entries_of(data: bytes) -> dict[str, BatchEntry]:
    return {entry.thing_name: entry for entry in read_batch(data, now=NOW)}


def usable(data: bytes) -> dict[str, tuple[bytes, bytes]]:
    """Thing names and what was read for them; all folders must be usable."""
    found = entries_of(data)
    assert {name: entry.problem for name, entry in found.items() if entry.problem} == {}
    return {
        name: (entry.credentials.certificate_pem, entry.credentials.private_key_pem)
        for name, entry in found.items()
        if entry.credentials
    }


def reasons(data: bytes) -> dict[str, str | None]:
    found = entries_of(data)
    return {name: entry.problem.reason if entry.problem else None for name, entry in found.items()}


def expected(fleet: Mapping[str, Pair]) -> dict[str, tuple[bytes, bytes]]:
    return {name: (pair.certificate, pair.private_key) for name, pair in fleet.items()}


def by_zipfile(fleet: Fleet, *, root: str = "") -> bytes:
    """The zip as Python's own library writes it."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, pair in fleet.items():
            for file_name, content in pair.files.items():
                archive.writestr(f"{root}{name}/{file_name}", content)
    return file.getvalue()


def changed(fleet: Fleet, **changes: object) -> bytes:
    return build([Member(**(vars(member) | changes)) for member in members_of(fleet)])


def crlf(fleet: Fleet) -> Fleet:
    return {
        name: Pair(*(content.replace(b"\n", b"\r\n") for content in pair.files.values()))
        for name, pair in fleet.items()
    }


def extras(fleet: Fleet) -> bytes:
    names = [
        "README.txt",
        "AmazonRootCA1.pem",
        "ca.pem",
        "pubkey.pem",
        ".DS_Store",
        "__MACOSX/._00000041",
        "__MACOSX/00000041/._cert.pem",
        "__MACOSX/00000041/cert.pem",
        "00000041/.DS_Store",
        "00000041/notes.txt",
        "00000041/notes/more.txt",
        "docs/guide.txt",
        "docs/20260101/guide.txt",
        "00000041/20260101/notes.txt",
        "Thumbs.db",
    ]
    return build([*members_of(fleet), Member("empty/", method=0), *(Member(name, b"junk") for name in names)])


def upper_case(fleet: Fleet) -> bytes:
    return build(
        [
            Member(f"{name}/{file.upper()}", content)
            for name, pair in fleet.items()
            for file, content in pair.files.items()
        ]
    )


def with_other_separators(fleet: Fleet, listed: str) -> list[Member]:
    other = {"/": "\\", "\\": "/"}[listed]
    return [
        replace(member, local_name=member.raw_name.replace(listed.encode(), other.encode()))
        for member in members_of(fleet, separator=listed)
    ]


WAYS: dict[str, Callable[[Fleet], bytes]] = {
    "by hand": lambda fleet: build(members_of(fleet)),
    "by zipfile": by_zipfile,
    "stored": lambda fleet: changed(fleet, method=zips.STORED),
    "one folder around": lambda fleet: build(members_of(fleet, root="batch-freezer-1712/")),
    "a folder that is called as a thing around": lambda fleet: build(members_of(fleet, root="00000041/")),
    "a folder with spaces around": lambda fleet: by_zipfile(fleet, root="My things (2)/"),
    "dot in front": lambda fleet: build([Member("./", method=0), *members_of(fleet, root="./")]),
    "backslashes": lambda fleet: build(members_of(fleet, separator="\\")),
    "backslashes and a folder around": lambda fleet: build(members_of(fleet, root="x\\", separator="\\")),
    "slashes in the list, backslashes in the headers": lambda fleet: build(with_other_separators(fleet, "/")),
    "backslashes in the list, slashes in the headers": lambda fleet: build(
        with_other_separators(fleet, "\\")
    ),
    "from named pipes": lambda fleet: changed(fleet, mode=zips.FIFO),
    "from standard input": lambda fleet: build([*members_of(fleet), Member("-", b"junk", mode=zips.FIFO)]),
    "zip64": lambda fleet: build(
        [Member(**(vars(member) | {"zip64": True})) for member in members_of(fleet)], zip64_end=True
    ),
    "sizes behind the data": lambda fleet: changed(fleet, flags=zips.SIZES_FOLLOW),
    "UTF-8 names": lambda fleet: changed(fleet, flags=zips.UTF8),
    "Unix modes": lambda fleet: changed(fleet, mode=0o100600),
    "junk before": lambda fleet: build(members_of(fleet), prefix=b"#!/bin/sh\n" * 100),
    "junk behind": lambda fleet: build(members_of(fleet), suffix=b"\r\n" * 100),
    "a comment": lambda fleet: build(members_of(fleet), comment=b"made by hand"),
    "a gap": lambda fleet: build(members_of(fleet), gap=b"\0" * 100),
    "CRLF in the files": lambda fleet: build(members_of(crlf(fleet))),
    "other files": extras,
    "upper case": upper_case,
    "base64": lambda fleet: base64.b64encode(by_zipfile(fleet)),
    "base64 in lines": lambda fleet: base64.encodebytes(by_zipfile(fleet)),
    "base64 in CRLF lines": lambda fleet: base64.encodebytes(by_zipfile(fleet)).replace(b"\n", b"\r\n"),
    "base64 without padding": lambda fleet: base64.b64encode(by_zipfile(fleet)).rstrip(b"="),
    "base64 as JSON string": lambda fleet: json.dumps(base64.b64encode(by_zipfile(fleet)).decode()).encode(),
    "base64 in UTF-16": lambda fleet: base64.b64encode(by_zipfile(fleet)).decode().encode("utf-16"),
}


@pytest.mark.parametrize("way", WAYS)
def test_whatever_a_person_does_to_a_zip_it_is_read(way: str, fleet: Fleet) -> None:
    assert usable(WAYS[way](fleet)) == expected(fleet)


def test_single_thing() -> None:
    fleet = {"00001721": ec_pair()}
    assert usable(by_zipfile(fleet)) == expected(fleet)


def test_every_kind_of_thing_name(fleet: Fleet) -> None:
    names = ["dev-00000001", "My_Thing:1", "a" * 128, "C:1", "-", "cert"]
    odd = {name: ec_pair() for name in names}
    assert usable(build(members_of(odd))) == expected(odd)


def test_things_are_sorted_by_name(fleet: Fleet) -> None:
    reverse = dict(sorted(fleet.items(), reverse=True))
    names = [entry.thing_name for entry in read_batch(build(members_of(reverse)), now=NOW)]
    assert names == sorted(fleet)


class Pipe(io.RawIOBase):
    """A file that gives a little at a time and cannot go back."""

    def __init__(self, data: bytes) -> None:
        self._rest = io.BytesIO(data)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: object) -> int:
        view = memoryview(buffer)  # type: ignore[arg-type]
        chunk = self._rest.read(min(len(view), 1000))
        view[: len(chunk)] = chunk
        return len(chunk)


@pytest.mark.parametrize("encode", [bytes, base64.encodebytes])
def test_files_and_pipes_are_read_as_bytes_are(encode: Callable[[bytes], bytes], fleet: Fleet) -> None:
    data = encode(by_zipfile(fleet))
    direct = read_batch(data, now=NOW)
    assert read_batch(io.BytesIO(data), now=NOW) == direct
    assert read_batch(io.BufferedReader(Pipe(data)), now=NOW) == direct


def test_one_bad_folder_of_each_kind_spoils_no_other(fleet: Fleet) -> None:
    good = ec_pair()
    bad = {
        "10000001": {"cert.pem": good.certificate},
        "10000002": {"privkey.pem": good.private_key},
        "10000003": {"pubkey.pem": good.public_key},
        "10000004": {"cert.pem": b"", "privkey.pem": good.private_key},
        "10000005": {"cert.pem": b"rubbish", "privkey.pem": good.private_key},
        "10000006": {"cert.pem": good.certificate, "privkey.pem": ec_pair().private_key},
        "10000007": {
            "cert.pem": good.certificate,
            "privkey.pem": key_pem(rsa_key(), encryption=encrypted()),
        },
        "10000008": {"cert.pem": good.certificate, "privkey.pem": key_pem(rsa_key(1024))},
        "10000009": {"readme.txt": b"nothing here"},
        "10000010": {},
        "My Thing": good.files,
        "a" * 129: good.files,
        "thing\x1b[31m\n": good.files,
        "10000011/old": good.files,
        "10000011/20260101": {"notes.txt": b"no thing's folder, and not said to be one"},
        "too/deep/10000012": good.files,
    }
    members = members_of(fleet | {"10000011": ec_pair()})
    for folder, files in bad.items():
        members.append(Member(f"{folder}/", method=0))
        members += [Member(f"{folder}/{name}", content) for name, content in files.items()]
    members.append(Member("cert.pem", good.certificate))
    assert reasons(build(members)) == {
        **dict.fromkeys([*fleet, "10000011"]),
        "10000001": "KeyMissing",
        "10000002": "KeyMissing",
        "10000003": "KeyMissing",
        "10000004": "InvalidPem",
        "10000005": "InvalidPem",
        "10000006": "KeyMismatch",
        "10000007": "EncryptedKey",
        "10000008": "WeakKey",
        "10000009": "KeyMissing",
        "10000010": "KeyMissing",
        "My Thing": "InvalidThingName",
        "a" * 80 + "... (129 characters)": "InvalidThingName",
        "thing\\x1b[31m\\n": "InvalidThingName",
        "10000011/old": "InvalidLayout",
        "too/deep/10000012": "InvalidLayout",
        "/": "InvalidLayout",
    }


def test_what_is_missing_is_named() -> None:
    pair = ec_pair()
    found = entries_of(
        build(
            [
                Member("00000001/cert.pem", pair.certificate),
                Member("00000002/privkey.pem", pair.private_key),
                Member("00000003/pubkey.pem", pair.public_key),
            ]
        )
    )
    messages = {name: entry.problem.message for name, entry in found.items() if entry.problem}
    assert messages["00000001"].startswith("privkey.pem missing")
    assert messages["00000002"].startswith("cert.pem missing")
    assert messages["00000003"].startswith("cert.pem and privkey.pem missing")


def test_validity_is_judged_at_the_given_time(fleet: Fleet) -> None:
    found = read_batch(by_zipfile(fleet), now=NOT_BEFORE - SECOND)
    assert {entry.problem and entry.problem.reason for entry in found} == {"NotYetValid"}


def test_the_file_at_fault_is_named(fleet: Fleet) -> None:
    name, pair = next(iter(fleet.items()))
    swapped = {name: Pair(pair.private_key, pair.certificate)}
    problem = entries_of(by_zipfile(swapped))[name].problem
    assert problem is not None
    assert problem.message.startswith("cert.pem: ")
    assert "there is a private key in its place" in problem.message


def test_keys_swapped_between_folders_are_found(fleet: Fleet) -> None:
    (one, first), (other, second), (third, _) = fleet.items()
    mixed = fleet | {
        one: Pair(first.certificate, second.private_key),
        other: Pair(second.certificate, first.private_key),
    }
    found = entries_of(by_zipfile(mixed))
    assert found[third].problem is None
    for name, partner in ((one, other), (other, one)):
        problem = found[name].problem
        assert problem is not None
        assert problem.reason == "KeyMismatch"
        assert (
            f"the private key in folder {name} belongs to the certificate in folder {partner}"
            in problem.message
        )


def test_a_private_key_is_found_in_a_folder_that_is_otherwise_bad(fleet: Fleet) -> None:
    (one, first), (_, second), _ = fleet.items()
    members = [
        Member(f"{one}/cert.pem", first.certificate),
        Member(f"{one}/privkey.pem", second.private_key),
        Member("00000099/privkey.pem", first.private_key),
    ]
    problem = entries_of(build(members))[one].problem
    assert problem is not None
    assert f"the certificate in folder {one} belongs to the private key in folder 00000099" in problem.message


def test_the_same_certificate_in_two_folders_is_said(fleet: Fleet) -> None:
    (one, first), (other, _), (third, _) = fleet.items()
    found = entries_of(by_zipfile(fleet | {other: first}))
    assert [entry.problem for entry in found.values()] == [None] * 3
    assert found[third].note is None
    assert f"in folder {other}:" in (found[one].note or "")
    assert f"in folder {one}:" in (found[other].note or "")


def test_many_copies_are_not_all_named(fleet: Fleet) -> None:
    pair = ec_pair()
    found = entries_of(by_zipfile({str(number): pair for number in range(9)}))
    assert "in folder 0, 1, 2 and others:" in (found["8"].note or "")


def test_two_certificates_of_one_key_are_two(fleet: Fleet) -> None:
    pairs = {"a": pair_for(rsa_key()), "b": pair_for(rsa_key())}
    assert [entry.note for entry in entries_of(by_zipfile(pairs)).values()] == [None, None]


def test_a_copy_with_an_impossible_name_does_not_spoil_the_original(fleet: Fleet) -> None:
    name, pair = next(iter(fleet.items()))
    assert reasons(by_zipfile({name: pair, f"{name} copy": pair})) == {
        name: None,
        f"{name} copy": "InvalidThingName",
    }


def test_no_private_key_is_ever_shown(fleet: Fleet) -> None:
    (one, first), (other, second), _ = fleet.items()
    mixed = fleet | {one: Pair(first.certificate, second.private_key), other: Pair(first.private_key, b"")}
    text = repr(read_batch(by_zipfile(mixed), now=NOW))
    for pair in fleet.values():
        for line in pair.private_key.splitlines()[1:-1]:
            assert line.decode() not in text


def test_a_problem_keeps_no_frames_with_keys_alive(fleet: Fleet) -> None:
    (one, first), (other, second), _ = fleet.items()
    mixed = {one: Pair(first.certificate, second.private_key), other: Pair(b"", b"x")}
    for entry in entries_of(by_zipfile(mixed)).values():
        assert entry.problem is not None
        assert all(isinstance(value, str | datetime | None) for value in astuple(entry.problem))


def test_nothing_but_misplaced_files_is_explained() -> None:
    pair = ec_pair()
    members = [Member(name, content) for name, content in pair.files.items()]
    with pytest.raises(ArchiveRefusedError, match="put it into one with the thing's name"):
        read_batch(build(members), now=NOW)
