"""The topics beside the shadow's own, which MIC listens to."""

from thing_operator.shadow.topics import backdate_topic, will_topic


def test_mics_own_topics_are_named_after_the_thing() -> None:
    assert will_topic("00000041") == "tcxn/things/00000041/shadow/update"
    assert backdate_topic("00000041") == "tcxn/things/00000041/shadow/backdate"
