"""Rules of a cluster that keep an operator from writing: quotas and admission policies."""

import json
from collections.abc import Iterator
from contextlib import contextmanager

from tests.support.controlplane import Kubectl
from tests.support.polling import eventually

from thing_operator_local.errors import LocalError


def use_up(kubectl: Kubectl, namespace: str, *, resource: str, room: int = 0) -> None:
    """A quota ``full`` that leaves room for so many more objects; no controller counts them here, so its status says
    what is there.
    """
    there = len(json.loads(kubectl("get", resource, f"--namespace={namespace}", "--output=json"))["items"])
    name = f"count/{resource}"
    set_quota(kubectl, namespace, name, limit=there + room, used=there)


def set_quota(kubectl: Kubectl, namespace: str, name: str, *, limit: int, used: int) -> None:
    """The quota ``full`` with this limit and this count of what is there."""
    where = f"--namespace={namespace}"
    body = {
        "apiVersion": "v1",
        "kind": "ResourceQuota",
        "metadata": {"name": "full"},
        "spec": {"hard": {name: str(limit)}},
    }
    kubectl("apply", where, "--filename=-", input=json.dumps(body))
    status = {"status": {"hard": {name: str(limit)}, "used": {name: str(used)}}}
    patch = f"--patch={json.dumps(status)}"
    kubectl("patch", "resourcequota", "full", where, "--subresource=status", "--type=merge", patch)


@contextmanager
def policy_on_secrets(kubectl: Kubectl, namespace: str, *, expression: str, says: str) -> Iterator[None]:
    """A ValidatingAdmissionPolicy for the Secrets of this namespace; it is at work when this is entered."""
    kind = {"apiVersion": "admissionregistration.k8s.io/v1"}
    rules = {
        "apiGroups": [""],
        "apiVersions": ["v1"],
        "operations": ["CREATE", "UPDATE"],
        "resources": ["secrets"],
    }
    here = {"matchLabels": {"kubernetes.io/metadata.name": namespace}}
    body = kind | {
        "kind": "ValidatingAdmissionPolicy",
        "metadata": {"name": namespace},
        "spec": {
            "matchConstraints": {"resourceRules": [rules], "namespaceSelector": here},
            "validations": [
                {"expression": expression, "message": says},
                {"expression": "object.metadata.name != 'is-it-at-work'", "message": "it is"},
            ],
        },
    }
    binding = kind | {
        "kind": "ValidatingAdmissionPolicyBinding",
        "metadata": {"name": namespace},
        "spec": {"policyName": namespace, "validationActions": ["Deny"]},
    }
    for each in (body, binding):
        kubectl("apply", "--filename=-", input=json.dumps(each))
    try:
        eventually(lambda: _is_at_work(kubectl, namespace), "the policy is at work")
        yield
    finally:
        for what in ("validatingadmissionpolicybinding", "validatingadmissionpolicy"):
            kubectl("delete", what, namespace)


def _is_at_work(kubectl: Kubectl, namespace: str) -> bool:
    try:
        kubectl(
            "create", "secret", "generic", "is-it-at-work", f"--namespace={namespace}", "--dry-run=server"
        )
    except LocalError as error:
        return "denied request" in str(error)
    return False
