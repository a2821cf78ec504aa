"""The topics beside the shadow's own, which MIC listens to, and the names of networked things."""

import pytest

from thing_operator.shadow.topics import backdate_topic, child_thing_name, parent_thing_names, will_topic


def test_mics_own_topics_are_named_after_the_thing() -> None:
    assert will_topic("00000041") == "tcxn/things/00000041/shadow/update"
    assert backdate_topic("00000041") == "tcxn/things/00000041/shadow/backdate"


@pytest.mark.parametrize(
    ("name", "parents"),
    [
        ("hub__c1", ("hub",)),
        ("hub___c1", ("hub", "hub_")),
        ("a__b__c1", ("a__b",)),
        ("a____b", ("a_", "a__")),
        ("hub_c1", ()),
        ("__c1", ()),
        ("hub__", ()),
        ("___", ()),
        ("hub", ()),
        ("", ()),
    ],
)
def test_whose_child_a_thing_may_be_by_its_name(name: str, parents: tuple[str, ...]) -> None:
    assert parent_thing_names(name) == parents
    assert all(child_thing_name(each, name[len(each) + 2 :]) == name for each in parents)
