"""One target under libFuzzer: ``python -m tests.fuzz.one TARGET CORPUS_FOLDER [-max_total_time=60 ...]``.

With a file instead of the folder, that one input is run.
"""

import importlib
import logging
import sys
import warnings
from pathlib import Path

import atheris
from cryptography.utils import CryptographyDeprecationWarning


def main(target: str, corpus: Path, *options: str) -> None:
    """Fuzz until the time is over or something is found."""
    # The library warns of odd but readable certificates (a serial number below one, for instance).
    warnings.simplefilter("ignore", CryptographyDeprecationWarning)
    logging.disable()
    with atheris.instrument_imports(include=["thing_operator", "zipfile"]):
        found = importlib.import_module(f"tests.fuzz.targets.{target}")
    if corpus.is_dir():
        for number, seed in enumerate(found.SEEDS):
            (corpus / f"seed-{number}").write_bytes(seed)
    atheris.Setup([sys.argv[0], str(corpus), *options], found.one_input)
    atheris.Fuzz()


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), *sys.argv[3:])
