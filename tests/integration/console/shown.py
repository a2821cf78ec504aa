"""What the tests of the console show it."""

import json
from typing import Any

from tests.support.controlplane import Kubectl

Json = dict[str, Any]


class Shown:
    """Objects of the console's namespace."""

    def __init__(self, kubectl: Kubectl, namespace: str) -> None:
        self._kubectl = kubectl
        self.namespace = namespace

    def put(self, *bodies: Json) -> None:
        """Make or change objects, with the status that each has."""
        text = json.dumps({"apiVersion": "v1", "kind": "List", "items": list(bodies)})
        self._kubectl("apply", "--server-side", "--force-conflicts", "--filename=-", input=text)
        changed = [body for body in bodies if "status" in body]
        if changed:
            text = json.dumps({"apiVersion": "v1", "kind": "List", "items": changed})
            status = ("--subresource=status", "--field-manager=operator")
            self._kubectl("apply", "--server-side", "--force-conflicts", *status, "--filename=-", input=text)

    def delete(self, kind: str, name: str) -> None:
        self._kubectl("delete", kind, name, f"--namespace={self.namespace}")
