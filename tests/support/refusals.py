"""Rules of a cluster that keep an operator from writing: quotas and admission policies."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tests.support.controlplane import Kubectl
from tests.support.polling import eventually

from thing_operator_local.errors import LocalError

Json = dict[str, Any]


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
    rules = {"apiGroups": [""], "operations": ["CREATE", "UPDATE"], "resources": ["secrets"]}
    validations = [
        {"expression": expression, "message": says},
        {"expression": "object.metadata.name != 'is-it-at-work'", "message": "it is"},
    ]
    dry_run = ("create", "secret", "generic", "is-it-at-work")
    with _policy(kubectl, namespace, rules=rules, validations=validations, dry_run=dry_run):
        yield


@contextmanager
def policy_on_statuses(
    kubectl: Kubectl, namespace: str, *, reason: str, says: str, thing: str
) -> Iterator[None]:
    """One that refuses the statuses of Things with a reason (Invalid: 422, Forbidden: 403); ``thing`` is any."""
    rules = {"apiGroups": ["thing-operator.io"], "operations": ["UPDATE"], "resources": ["things/status"]}
    validations = [{"expression": "false", "message": says, "reason": reason}]
    dry_run = ("patch", "thing", thing, "--subresource=status", "--type=merge", '--patch={"status":{}}')
    with _policy(kubectl, namespace, rules=rules, validations=validations, dry_run=dry_run):
        yield


@contextmanager
def policy_on_things(
    kubectl: Kubectl, namespace: str, *, reason: str, says: str, thing: str
) -> Iterator[None]:
    """One that refuses every change of Things but of their status; otherwise as :func:`policy_on_statuses`."""
    rules = {"apiGroups": ["thing-operator.io"], "operations": ["UPDATE"], "resources": ["things"]}
    validations = [{"expression": "false", "message": says, "reason": reason}]
    dry_run = ("patch", "thing", thing, "--type=merge", '--patch={"metadata":{}}')
    with _policy(kubectl, namespace, rules=rules, validations=validations, dry_run=dry_run):
        yield


@contextmanager
def _policy(
    kubectl: Kubectl, namespace: str, *, rules: Json, validations: list[Json], dry_run: tuple[str, ...]
) -> Iterator[None]:
    here = {"matchLabels": {"kubernetes.io/metadata.name": namespace}}
    kind = {"apiVersion": "admissionregistration.k8s.io/v1", "metadata": {"name": namespace}}
    body = kind | {
        "kind": "ValidatingAdmissionPolicy",
        "spec": {
            "matchConstraints": {
                "resourceRules": [rules | {"apiVersions": ["*"]}],
                "namespaceSelector": here,
            },
            "validations": validations,
        },
    }
    binding = kind | {
        "kind": "ValidatingAdmissionPolicyBinding",
        "spec": {"policyName": namespace, "validationActions": ["Deny"]},
    }
    for each in (body, binding):
        kubectl("apply", "--filename=-", input=json.dumps(each))
    try:
        eventually(lambda: _is_refused(kubectl, namespace, dry_run), "the policy is at work")
        yield
    finally:
        for what in ("validatingadmissionpolicybinding", "validatingadmissionpolicy"):
            kubectl("delete", what, namespace)


def _is_refused(kubectl: Kubectl, namespace: str, dry_run: tuple[str, ...]) -> bool:
    try:
        kubectl(*dry_run, f"--namespace={namespace}", "--dry-run=server")
    except LocalError as error:
        return "denied request" in str(error)
    return False
