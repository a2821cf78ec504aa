"""From thing names to Kubernetes names: legal, stable, readable and free of collisions.

A thing name has no dot. A name that is a legal object name stays as it is; any other is made legal and gets
a dot and eight hexadecimal digits of its SHA-256. So the two kinds can never meet, whatever things are called.
"""

import hashlib
import re

_OBJECT_NAME = re.compile(r"[a-z0-9](?:[a-z0-9-]*[a-z0-9])?")
_LABEL_VALUE = re.compile(r"[a-zA-Z0-9](?:[a-zA-Z0-9_-]{0,61}[a-zA-Z0-9])?")
_ILLEGAL = re.compile(r"[^a-z0-9]+")

_PREFIX = "thing-"
_HASH_DIGITS = 8
_READABLE = 63 - len(_PREFIX) - 1 - _HASH_DIGITS
"""Letters kept of a name that had to be changed: the Secret's name then fits where 63 are allowed, too."""


def object_name(thing_name: str) -> str:
    """The Kubernetes object name of a thing: ``00001721`` as it is, ``My_Thing:1`` as ``my-thing-1.<hash>``.

    A DNS-1123 subdomain of at most 128 characters; at most 57 where the name had to be changed, so that the
    Secret's name has at most 63.
    """
    if _OBJECT_NAME.fullmatch(thing_name):
        return thing_name
    readable = _ILLEGAL.sub("-", thing_name.lower()).strip("-")[:_READABLE].rstrip("-")
    digest = hashlib.sha256(thing_name.encode()).hexdigest()[:_HASH_DIGITS]
    return f"{readable or 'thing'}.{digest}"


def secret_name(thing_name: str) -> str:
    """The name of the Secret with a thing's credentials: ``thing-00001721``, ``thing-my-thing-1.<hash>``."""
    return _PREFIX + object_name(thing_name)


def thing_label_value(thing_name: str) -> str | None:
    """The thing name as value of a label, or None where it is not a legal one (colons, over 63 characters)."""
    return thing_name if _LABEL_VALUE.fullmatch(thing_name) else None
