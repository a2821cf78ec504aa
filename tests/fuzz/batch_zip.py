"""Coverage-guided fuzzing of the batch reader, beside hypothesis in ``tests/unit/credentials/test_fuzz.py``.

Not part of the tests, and atheris no dependency: install it beside the others, and run

    python -m tests.fuzz.batch_zip CORPUS_FOLDER -max_total_time=600 -rss_limit_mb=512 -timeout=5

Input is a zip, or the plan of one whose fields lie (``tests/unit/credentials/zips.py``), or two PEM files. Whatever
it is, the reader answers with a result or with our own error in words fit to be shown; anything else ends the run.
"""

import sys
import warnings
from pathlib import Path

import atheris  # type: ignore[import-untyped]  # not a dependency

with atheris.instrument_imports():
    import zipfile  # noqa: F401 - instrumented before the reader takes it

    from thing_operator.credentials import read_batch  # noqa: F401 - the same

from cryptography.utils import CryptographyDeprecationWarning
from tests.unit.credentials.fuzzing import PAIRS, PEMS, SEEDS, check_anything, read_anything
from tests.unit.credentials.zips import Member, build

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
_ZIP, _PLAN = 0, 1


def one_input(data: bytes) -> None:
    """libFuzzer's entry; the first byte chooses what the rest is."""
    provider = atheris.FuzzedDataProvider(data)
    match provider.ConsumeIntInRange(0, 2):
        case 0:
            read_anything(provider.ConsumeBytes(1 << 20))
        case 1:
            read_anything(_planned(provider))
        case _:
            half = provider.ConsumeBytes(provider.ConsumeIntInRange(0, 4096))
            check_anything(half, provider.ConsumeBytes(4096))


def _planned(provider: "atheris.FuzzedDataProvider") -> bytes:
    members = [_member(provider) for _ in range(provider.ConsumeIntInRange(0, 6))]
    return build(
        members,
        prefix=provider.ConsumeBytes(provider.ConsumeIntInRange(0, 8)),
        gap=provider.ConsumeBytes(provider.ConsumeIntInRange(0, 8)),
        suffix=provider.ConsumeBytes(provider.ConsumeIntInRange(0, 30)),
        count=provider.PickValueInList([None, 0, 1, 0xFFFF]),
        count64=provider.PickValueInList([None, 0, 1, 0xFFFF]),
        disk=provider.PickValueInList([0, 1, 0xFFFF]),
        zip64_end=provider.ConsumeBool(),
        shift=provider.ConsumeIntInRange(-3, 3),
    )


def _member(provider: "atheris.FuzzedDataProvider") -> Member:
    name = provider.PickValueInList(list(_NAMES)) or provider.ConsumeBytes(20)
    data = provider.PickValueInList(list(_CONTENTS)) or provider.ConsumeBytes(100)
    if provider.ConsumeBool():
        return Member(name, data)
    return Member(
        name,
        data,
        method=provider.PickValueInList([0, 8, 12, 99]),
        flags=provider.PickValueInList([0, 1, 8, 0x20, 0x800, 0x2000]),
        mode=provider.PickValueInList([0, 0o100644, 0o120777, 0o20666]),
        zip64=provider.ConsumeBool(),
        raw=provider.ConsumeBytes(40) if provider.ConsumeBool() else None,
        size=provider.PickValueInList(list(_NUMBERS)),
        local_size=provider.PickValueInList(list(_NUMBERS)),
        crc=provider.PickValueInList(list(_NUMBERS)),
        local_flags=provider.PickValueInList(list(_SMALL)),
        local_method=provider.PickValueInList(list(_SMALL)),
        extra=provider.ConsumeBytes(provider.ConsumeIntInRange(0, 24)),
        at=provider.PickValueInList(list(_NUMBERS)),
        attributes=provider.PickValueInList([0, 0x10]),
    )


def _plant(folder: Path) -> None:
    """The zips and pairs that hypothesis begins with; integers are taken from the end of the data."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, seed in enumerate(SEEDS):
        (folder / f"zip-{number}").write_bytes(seed + bytes([_ZIP]))
    for number, (certificate, private_key) in enumerate(PEMS):
        ends = len(certificate).to_bytes(2, "little") + bytes([2])
        (folder / f"pair-{number}").write_bytes(certificate + private_key + ends)
    (folder / "plan").write_bytes(bytes(64) + bytes([_PLAN]))


if __name__ == "__main__":
    # The library warns of odd but readable certificates (a serial number below one, for instance).
    warnings.simplefilter("ignore", CryptographyDeprecationWarning)
    _plant(Path(sys.argv[1]))
    atheris.Setup(sys.argv, one_input)
    atheris.Fuzz()
