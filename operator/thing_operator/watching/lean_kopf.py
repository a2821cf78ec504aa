"""kopf, without the clients that it can do without.

Where it finds the package ``kubernetes`` it loads it, to know the objects of its models. Nobody gives it any here, and
with what that package needs in turn it is 9 MiB of each process, and a tenth of a second of its start (measured).
"""

import sys

_KUBERNETES = "kubernetes"

__all__ = ["ResourceMemories", "ResourceMemory", "kopf"]

_IS_LOADED = _KUBERNETES in sys.modules
if not _IS_LOADED:
    sys.modules[_KUBERNETES] = None  # type: ignore[assignment] # as the import system has it: it is not there
try:
    import kopf
    from kopf._core.reactor.inventory import ResourceMemories, ResourceMemory
finally:
    if not _IS_LOADED:
        del sys.modules[_KUBERNETES]
