"""What both fuzzers of the batch reader do: hypothesis in ``test_fuzz.py``, atheris in ``tests/fuzz``."""

from tests.support.pki import NOW, ec_pairs, pair_for, rsa_key
from tests.unit.credentials import zips
from tests.unit.credentials.zips import Member, build, members_of

from thing_operator.credentials import ArchiveRefusedError, CredentialsError, check_pair, read_batch

PAIRS = ec_pairs(2)
FLEET = {"00000041": PAIRS[0], "dev-1": PAIRS[1]}
SEEDS = [
    build(members_of(FLEET)),
    build([Member(**(vars(member) | {"zip64": True})) for member in members_of(FLEET)], zip64_end=True),
    build([Member(**(vars(member) | {"flags": zips.SIZES_FOLLOW})) for member in members_of(FLEET)]),
    build([Member(**(vars(member) | {"method": zips.STORED})) for member in members_of(FLEET, root="x/")]),
]
RSA = pair_for(rsa_key())
PEMS = [(pair.certificate, pair.private_key) for pair in (PAIRS[0], RSA)]


def fit_to_be_shown(message: str) -> bool:
    return message.isprintable() and 0 < len(message) < 500


def read_anything(data: bytes) -> None:
    try:
        entries = read_batch(data, now=NOW)
    except ArchiveRefusedError as refusal:
        message = refusal.message
    else:
        message = "no refusal"
        assert entries
        for entry in entries:
            assert (entry.credentials is None) != (entry.problem is None)
            assert entry.problem is None or fit_to_be_shown(entry.problem.message)
    assert fit_to_be_shown(message)


def check_anything(certificate: bytes, private_key: bytes) -> None:
    try:
        found = check_pair(certificate, private_key, now=NOW)
    except CredentialsError as refusal:
        message = refusal.message
    else:
        message = "no refusal"
        assert check_pair(found.certificate_pem, found.private_key_pem, now=NOW) == found
    assert fit_to_be_shown(message)
