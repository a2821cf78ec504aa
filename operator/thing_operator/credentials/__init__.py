"""Reading a batch zip, checking certificates and keys: pure functions."""

from thing_operator.credentials.archive import Limits
from thing_operator.credentials.authorities import CaBundle, read_authorities
from thing_operator.credentials.batch import BatchEntry, FolderProblem, read_batch
from thing_operator.credentials.certificates import Credentials, check_pair
from thing_operator.credentials.errors import ArchiveRefusedError, CredentialsError
from thing_operator.credentials.keys import check_keys, keys_in_words

__all__ = [
    "ArchiveRefusedError",
    "BatchEntry",
    "CaBundle",
    "Credentials",
    "CredentialsError",
    "FolderProblem",
    "Limits",
    "check_keys",
    "check_pair",
    "keys_in_words",
    "read_authorities",
    "read_batch",
]
