"""Batch zips: bytes, the plan of a zip whose fields lie (``tests/unit/credentials/zips.py``), or base64 of either."""

import base64
from typing import Final

from tests.fuzz.dice import Dice
from tests.fuzz.judging import check_message
from tests.unit.credentials.fuzzing import PAIRS, read_anything
from tests.unit.credentials.fuzzing import SEEDS as ZIPS
from tests.unit.credentials.zips import Member, build

from thing_operator.credentials import ArchiveRefusedError
from thing_operator.credentials.wrapping import open_plain, what_it_is

_NAMES = (
    b"1/cert.pem",
    b"1/privkey.pem",
    b"2/cert.pem",
    b"x/1/cert.pem",
    b"../a",
    b"a\\b",
    b"c:/x",
    b"a/",
    b"",
)
_NUMBERS = (None, 0, 1, 0xFFFF, 0xFFFF_FFFE, 0xFFFF_FFFF)
_SMALL = (None, 0, 1, 8, 12, 0x20, 0x41, 0x800)
_CONTENTS = (b"", b"x" * 70_000, PAIRS[0].certificate, PAIRS[0].private_key)

_ZIP, _PLAN, _BASE64 = range(3)
_LIMIT: Final = 1 << 20

SEEDS: Final = [
    *(bytes([_ZIP]) + each for each in ZIPS),
    *(bytes([_BASE64]) + base64.b64encode(each) for each in ZIPS[:1]),
    bytes([_PLAN]) + bytes(64),
]


def one_input(data: bytes) -> None:
    """Whatever the bytes, the reader answers with things, or with our own error in words fit to be shown."""
    dice = Dice(data)
    match dice.number(3):
        case 0:
            read_anything(dice.rest())
        case 1:
            read_anything(_planned(dice))
        case _:
            _unwrap(dice.rest())


def _unwrap(data: bytes) -> None:
    try:
        plain = open_plain(data, limit=_LIMIT)
    except ArchiveRefusedError as refusal:
        check_message(refusal.message)
        return
    check_message(what_it_is(plain))
    read_anything(data)


def _planned(dice: Dice) -> bytes:
    members = [_member(dice) for _ in range(dice.number(7))]
    return build(
        members,
        prefix=dice.take(8),
        gap=dice.take(8),
        suffix=dice.take(30),
        count=dice.pick([None, 0, 1, 0xFFFF]),
        count64=dice.pick([None, 0, 1, 0xFFFF]),
        disk=dice.pick([0, 1, 0xFFFF]),
        zip64_end=dice.flag(),
        shift=dice.number(7) - 3,
    )


def _member(dice: Dice) -> Member:
    name = dice.pick(_NAMES) or dice.take(20)
    data = dice.pick(_CONTENTS) or dice.take(100)
    if dice.flag():
        return Member(name, data)
    return Member(
        name,
        data,
        method=dice.pick([0, 8, 12, 99]),
        flags=dice.pick([0, 1, 8, 0x20, 0x800, 0x2000]),
        mode=dice.pick([0, 0o100644, 0o120777, 0o20666]),
        zip64=dice.flag(),
        raw=dice.take(40) if dice.flag() else None,
        size=dice.pick(_NUMBERS),
        local_size=dice.pick(_NUMBERS),
        crc=dice.pick(_NUMBERS),
        local_flags=dice.pick(_SMALL),
        local_method=dice.pick(_SMALL),
        extra=dice.take(24),
        at=dice.pick(_NUMBERS),
        attributes=dice.pick([0, 0x10]),
    )
