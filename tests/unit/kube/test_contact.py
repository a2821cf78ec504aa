"""Whether what is known from the API server can be vouched for."""

from datetime import timedelta

from tests.support.clock import FakeClock

from thing_operator.kube.contact import Contact


def test_after_a_long_silence_what_is_known_is_outdated_until_it_is_listed_again() -> None:
    clock = FakeClock()
    contact = Contact(patience=timedelta(minutes=1), clock=clock)
    clock.advance(60)
    assert (contact.is_lost, contact.is_outdated) == (False, False)
    contact.answered()
    assert contact.silence == timedelta(0)
    clock.advance(61)
    assert (contact.is_lost, contact.is_outdated) == (True, True)
    contact.answered()
    assert (contact.is_lost, contact.is_outdated) == (False, True)
    contact.caught_up()
    assert not contact.is_outdated
