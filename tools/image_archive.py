"""What is in an image, read from an archive as ``docker save`` writes it."""

import json
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any


def image_config(archive: Path) -> tuple[str, dict[str, Any]]:
    """Name and configuration of the one image in an archive."""
    with tarfile.open(archive) as tar:
        [image] = json.load(_file(tar, "manifest.json"))
        return image["RepoTags"][0], json.load(_file(tar, image["Config"]))["config"]


def layers(archive: Path) -> Iterator[tarfile.TarFile]:
    """The image's layers, the lowest first, each good until the next is asked for."""
    with tarfile.open(archive) as tar:
        [image] = json.load(_file(tar, "manifest.json"))
        for name in image["Layers"]:
            with tarfile.open(fileobj=_file(tar, name)) as layer:
                yield layer


def _file(tar: tarfile.TarFile, name: str) -> IO[bytes]:
    """A file in an archive. Raises ValueError where it is none, KeyError where it is not there."""
    file = tar.extractfile(name)
    if file is None:
        raise ValueError(f"{name} is no file")
    return file
