"""Resource versions as numbers, which Kubernetes 1.35 made official: the later has the larger. Pure.

One that is not a number says nothing of its age.
"""


def version_number(text: str) -> int | None:
    """A resource version as a number; None when it is not one."""
    return int(text) if text.isdecimal() else None


def is_older(version: int | None, than: int | None) -> bool:
    """Whether one version is certainly from before another."""
    return version is not None and than is not None and version < than
