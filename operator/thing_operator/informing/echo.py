"""The echo of a status write, known by the bytes of its line in a watch: most of what a watch shows. Pure.

To decode the line and make a snapshot of it, only to find the same as before, takes as long as all else that is done
about it. What is compared here is enough to be sure; whatever looks otherwise is decoded.
"""

import re
from typing import Final, NamedTuple

from thing_operator.core.resource import ObjectKey
from thing_operator.kube.snapshot import ObjectSnapshot

_BEGINNING: Final = b'{"type":"MODIFIED",'
_SPEC: Final = b'"},"spec":'
_STATUS: Final = b',"status":'
_DELETION: Final = b'"deletionTimestamp":'
_FINALIZERS: Final = b'"finalizers":'
_IDENTITY: Final = re.compile(
    rb'"name":"([a-z0-9.-]+)","namespace":"([a-z0-9-]+)",(?:"ownerReferences":\[[^]]*\],)?'
    rb'"resourceVersion":"([0-9]{1,19})","uid":"([0-9A-Za-z-]+)\Z'
)
_LONGEST_IDENTITY: Final = 2048
"""Bytes: names and owners."""


class PossibleEcho(NamedTuple):
    """A line that may be an echo: of which object, and its new version. ``spec_at``: where its spec begins."""

    key: ObjectKey
    uid: str
    version: str
    spec_at: int


def possible_echo(line: bytes) -> PossibleEcho | None:
    """None of a line that is no echo, or not at a glance.

    An API server writes keys in order: metadata end with the uid, and the spec comes next. Up to there only strings
    have been anybody's to choose, in which quotes are escaped.
    """
    end = line.find(_SPEC)
    if end < 0 or not line.startswith(_BEGINNING):
        return None
    found = _IDENTITY.search(line, max(0, end - _LONGEST_IDENTITY), end)
    if found is None:
        return None
    name, namespace, version, uid = found.groups()
    return PossibleEcho(
        ObjectKey(namespace.decode(), name.decode()), uid.decode(), version.decode(), end + len(_SPEC)
    )


def repeats(line: bytes, echo: PossibleEcho, kept: ObjectSnapshot) -> bool:
    """Whether a line shows the object as it is kept, but for version and status."""
    spec_at = echo.spec_at
    return (
        echo.uid == kept.uid
        and line.startswith(kept.spec, spec_at)
        and line.startswith(_STATUS, spec_at + len(kept.spec))
        and line.find(b'"generation":%d,' % kept.generation, 0, spec_at) > 0
        and kept.deleting_since is None
        and line.find(_DELETION, 0, spec_at) < 0
        and not kept.finalizers
        and line.find(_FINALIZERS, 0, spec_at) < 0
    )
