"""Certificates, keys and CAs in PEM, as a Secret has them: two pieces of bytes, or a change of good ones."""

from typing import Final

from tests.fuzz.dice import Dice
from tests.fuzz.judging import check_message
from tests.support.pki import NOW
from tests.unit.credentials.fuzzing import PEMS, check_anything

from thing_operator.credentials import CredentialsError, check_keys, keys_in_words, read_authorities
from thing_operator.credentials.pem import PemBlock, pem_blocks

_BYTES, _TEXT, _DER = range(3)
_MOST: Final = 16 * 1024
_LETTERS: Final = 60

SEEDS: Final = [
    bytes([_TEXT]) + bytes(8),
    bytes([_DER]) + bytes(8),
    *(bytes([_BYTES]) + len(certificate).to_bytes(3) + certificate + key for certificate, key in PEMS),
]


def one_input(data: bytes) -> None:
    """Whatever the bytes, the answer is the pair, or our own error, in words without the key."""
    dice = Dice(data)
    match dice.number(3):
        case 0:
            certificate, key = dice.take(_MOST), dice.rest()[:_MOST]
        case 1:
            certificate, key = (_changed_text(dice, each) for each in dice.pick(PEMS))
        case _:
            certificate, key = (_changed_der(dice, each) for each in dice.pick(PEMS))
    check_anything(certificate, key)
    _check_secret({"tls.crt": certificate, "tls.key": key}, secrets=key)
    _check_authorities(certificate)


def _check_secret(data: dict[str, bytes], *, secrets: bytes) -> None:
    check_message(keys_in_words(data))
    try:
        check_keys(data, now=NOW)
    except CredentialsError as refusal:
        check_message(refusal.message, secrets=secrets)


def _check_authorities(data: bytes) -> None:
    try:
        read_authorities(data)
    except CredentialsError as refusal:
        check_message(refusal.message)


def _changed_text(dice: Dice, pem: bytes) -> bytes:
    text = bytearray(pem)
    for _ in range(dice.number(4)):
        at = dice.number(len(text) + 1)
        text[at : at + dice.number(_LETTERS)] = dice.take(_LETTERS)
    return bytes(text)


def _changed_der(dice: Dice, pem: bytes) -> bytes:
    """What base64 hides from a fuzzer."""
    blocks = []
    for block in pem_blocks(pem):
        der = bytearray(block.der or b"")
        for _ in range(dice.number(4)):
            at = dice.number(len(der) + 1)
            der[at : at + dice.number(8)] = dice.take(8)
        blocks.append(PemBlock(block.label, bytes(der)).to_pem())
    return b"".join(blocks) + dice.take(_LETTERS)
