"""Which objects are there by which: ThingBatches, their Things, and the Secrets and children of these. Pure."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence

from thing_operator.api.conditions import Condition, ConditionType, find_condition
from thing_operator.api.names import BATCH_KIND, BATCH_LABEL, THING_KIND
from thing_operator.api.status import ObjectStatus
from thing_operator.api.thing import ThingStatus
from thing_operator.core.reasons import Reason
from thing_operator.core.words import counted
from thing_operator.inspection.bodies import parent_of, secret_name_of, status_of
from thing_operator.inspection.deciding import health_of
from thing_operator.inspection.model import Body, LinkHealth, ObjectTree, TreeNode

_SECRET = "Secret"  # noqa: S105 - a kind


def tree_of(
    namespace: str,
    *,
    batches: Iterable[Body],
    things: Iterable[Body],
    secrets: Sequence[Body] | None,
    notes: Sequence[str] = (),
) -> ObjectTree:
    """All of a namespace. ``secrets`` is None where they may not be listed: then what the Things say of them counts."""
    known = None if secrets is None else {each["metadata"]["name"] for each in secrets}
    bodies = {body["metadata"]["name"]: body for body in things}
    networked: dict[str, list[TreeNode]] = defaultdict(list)
    # A child of a child is below nothing: it is not run, and its parent may be its own child.
    parents = {
        name: parent
        for name, body in bodies.items()
        if (parent := parent_of(body)) in bodies and not parent_of(bodies[parent])
    }
    for name, parent in parents.items():
        networked[parent].append(_thing(bodies[name], ()))
    members: dict[str, list[TreeNode]] = defaultdict(list)
    used = set()
    for name, body in bodies.items():
        if name in parents:
            continue
        below = _sorted(networked[name])
        if (secret := secret_name_of(body)) is not None:
            used.add(secret)
            below = (_secret(secret, status_of(body), known), *below)
        members[_batch_of(body)].append(_thing(body, below))
    for body in secrets or ():
        name, batch = body["metadata"]["name"], _batch_of(body)
        if batch and name not in used:
            members[batch].append(
                TreeNode(kind=_SECRET, name=name, health=LinkHealth.GOOD, message="no Thing")
            )
    roots = [_batch(body, _sorted(members.pop(body["metadata"]["name"], ()))) for body in batches]
    # Of a ThingBatch that is not there any more, and of none.
    others = [node for nodes in members.values() for node in nodes]
    return ObjectTree(namespace=namespace, roots=(*_sorted(roots), *_sorted(others)), notes=tuple(notes))


def branch_of(tree: ObjectTree, name: str) -> ObjectTree:
    """The part of a tree that has to do with the objects of a name: what they are below, and what is below them."""
    return tree.model_copy(update={"roots": tuple(_pruned(tree.roots, name))})


def is_healthy(nodes: Iterable[TreeNode]) -> bool:
    """Whether nothing of it has failed."""
    return all(each.health is not LinkHealth.FAILED and is_healthy(each.children) for each in nodes)


def _pruned(nodes: Iterable[TreeNode], name: str) -> Iterator[TreeNode]:
    for node in nodes:
        if node.name == name:
            yield node
        elif below := tuple(_pruned(node.children, name)):
            yield node.model_copy(update={"children": below})


def _sorted(nodes: Iterable[TreeNode]) -> tuple[TreeNode, ...]:
    return tuple(sorted(nodes, key=lambda node: (node.kind, node.name)))


def _batch_of(body: Body) -> str:
    return (body["metadata"].get("labels") or {}).get(BATCH_LABEL) or ""


def _batch(body: Body, children: tuple[TreeNode, ...]) -> TreeNode:
    found = body.get("status") or {}
    ready = find_condition(ObjectStatus.model_validate(found).conditions, ConditionType.READY)
    message = ready.message if ready else ""
    if ready and ready.status == "True" and found.get("total") is not None:
        message = f"{found.get('imported', 0)} of {counted(found['total'], 'thing')} imported"
    return TreeNode(
        kind=BATCH_KIND,
        name=body["metadata"]["name"],
        health=health_of(ready),
        reason=_reason(ready),
        message=message,
        children=children,
    )


def _thing(body: Body, children: tuple[TreeNode, ...]) -> TreeNode:
    status = status_of(body)
    ready = find_condition(status.conditions, ConditionType.READY)
    return TreeNode(
        kind=THING_KIND,
        name=body["metadata"]["name"],
        health=health_of(ready),
        reason=_reason(ready),
        message="" if ready and ready.status == "True" else (ready.message if ready else ""),
        children=children,
    )


def _secret(name: str, status: ThingStatus, known: set[str] | None) -> TreeNode:
    valid = find_condition(status.conditions, ConditionType.CREDENTIALS_VALID)
    if known is not None and name not in known:
        return TreeNode(
            kind=_SECRET,
            name=name,
            health=LinkHealth.FAILED,
            reason=Reason.SECRET_NOT_FOUND,
            message="not there",
        )
    is_good = valid is not None and valid.status == "True"
    ends = f"valid until {status.certificate.not_after:%Y-%m-%d}" if status.certificate and is_good else ""
    return TreeNode(kind=_SECRET, name=name, health=health_of(valid), reason=_reason(valid), message=ends)


def _reason(condition: Condition | None) -> str:
    return condition.reason if condition else Reason.NOT_SEEN
