"""Which objects are there by which."""

from collections.abc import Iterator

from tests.unit.inspection.objects import Json, body, condition

from thing_operator.inspection.model import LinkHealth, ObjectTree, TreeNode
from thing_operator.inspection.tree import branch_of, is_healthy, tree_of

BATCH = "thing-operator.io/batch"


def labelled(thing: Json, batch: str) -> Json:
    return thing | {"metadata": thing["metadata"] | {"labels": {BATCH: batch}}}


def secret(name: str, batch: str = "") -> Json:
    return {"metadata": {"name": name, "labels": {BATCH: batch} if batch else None}}


def batch(name: str, **status: object) -> Json:
    ready = condition("Ready", "True", "Imported")
    return {"metadata": {"name": name}, "status": {"conditions": [ready]} | status}


def lines(nodes: tuple[TreeNode, ...], depth: int = 0) -> Iterator[str]:
    for node in nodes:
        words = f"{node.kind} {node.name} {node.health} {node.reason or ''} {node.message}".rstrip()
        yield f"{'  ' * depth}{words}"
        yield from lines(node.children, depth + 1)


def shown(tree: ObjectTree) -> list[str]:
    return list(lines(tree.roots))


CERTIFICATE = {
    "secretName": "s",
    "fingerprint": "f",
    "notBefore": "2026-01-01T00:00:00Z",
    "notAfter": "2049-12-31T00:00:00Z",
}
THINGS = [
    labelled(body(name="b", certificate=CERTIFICATE), "freezers"),
    labelled(body(condition("Ready", "False", "Expired"), name="a"), "freezers"),
    body(name="alone", spec={"credentials": {"secretName": "own"}}),
    labelled(body(name="left"), "deleted-batch"),
]


def test_things_are_below_their_batch_and_secrets_below_their_thing() -> None:
    secrets = [secret("thing-a", "freezers"), secret("thing-b"), secret("thing-c", "freezers"), secret("own")]
    tree = tree_of("plant", batches=[batch("freezers", total=3, imported=3)], things=THINGS, secrets=secrets)
    assert shown(tree) == [
        "ThingBatch freezers Good Imported 3 of 3 things imported",
        "  Secret thing-c Good  no Thing",
        "  Thing a Failed Expired the message of Expired",
        "    Secret thing-a Good Valid",
        "  Thing b Good Accepted",
        "    Secret thing-b Good Valid valid until 2049-12-31",
        "Thing alone Good Accepted",
        "  Secret own Good Valid",
        "Thing left Good Accepted",
        "  Secret thing-left Failed SecretNotFound not there",
    ]
    assert not is_healthy(tree.roots)


def test_a_name_leaves_what_it_belongs_to_and_what_belongs_to_it() -> None:
    tree = tree_of("plant", batches=[batch("freezers")], things=THINGS, secrets=None, notes=["a note"])
    assert shown(branch_of(tree, "b")) == [
        "ThingBatch freezers Good Imported the message of Imported",
        "  Thing b Good Accepted",
        "    Secret thing-b Good Valid valid until 2049-12-31",
    ]
    assert len(shown(branch_of(tree, "freezers"))) == 5
    assert branch_of(tree, "nobody").roots == ()
    assert branch_of(tree, "b").notes == ("a note",)
    assert is_healthy(branch_of(tree, "b").roots)


def test_a_networked_thing_is_below_the_one_on_whose_session_it_speaks() -> None:
    whose = {"c": "b", "d": "x", "e": "c", "f": "g", "g": "f"}
    children = [body(name=name, spec={"parentRef": {"name": parent}}) for name, parent in whose.items()]
    tree = tree_of("plant", batches=[], things=[*children, body(name="b")], secrets=None)
    assert shown(tree) == [
        "Thing b Good Accepted",
        "  Secret thing-b Good Valid",
        "  Thing c Good Accepted",
        "Thing d Good Accepted",
        "Thing e Good Accepted",
        "Thing f Good Accepted",
        "Thing g Good Accepted",
    ]


def test_what_nobody_has_seen_is_unknown() -> None:
    bare = {"metadata": {"name": "new", "namespace": "plant"}}
    tree = tree_of("plant", batches=[{"metadata": {"name": "late"}}], things=[bare], secrets=None)
    assert {node.health for node in tree.roots} == {LinkHealth.UNKNOWN}
    assert {node.reason for node in tree.roots} == {"NotSeen"}
