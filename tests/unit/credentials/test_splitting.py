"""One batch as several zips."""

from tests.support.pki import NOW, Pair, ec_pairs
from tests.unit.credentials.zips import build, members_of

from thing_operator.credentials import read_batch
from thing_operator.credentials.splitting import split_batch


def test_parts_are_complete_small_and_the_same_each_time() -> None:
    fleet: dict[str, Pair] = {f"{number:0128}": pair for number, pair in enumerate(ec_pairs(12))}
    entries = read_batch(build(members_of(fleet | {"bad": Pair(b"", b"")})), now=NOW)
    parts = split_batch(entries, limit=5000)
    assert len(parts) > 2
    assert all(len(part) <= 5000 for part in parts)
    found = [entry for part in parts for entry in read_batch(part, now=NOW)]
    assert found == [entry for entry in entries if entry.credentials is not None]
    assert split_batch(entries, limit=5000) == parts
