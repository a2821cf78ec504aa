"""How long the shadow service takes to accept a generation is measured once for each."""

from thing_operator.twin.acceptance import Acceptance


def test_the_time_from_wanted_to_accepted_is_reported_once() -> None:
    acceptance = Acceptance()
    acceptance.expect(3, now=10, accepted=False)
    assert acceptance.generation == 3
    assert acceptance.arrived(now=12.5) == 2.5
    assert acceptance.arrived(now=13) is None


def test_what_was_accepted_before_the_start_took_no_time_of_ours() -> None:
    acceptance = Acceptance()
    acceptance.expect(3, now=10, accepted=True)
    assert acceptance.arrived(now=12) is None
