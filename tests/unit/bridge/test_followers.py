"""Who follows a Thing is woken by what concerns it, and nothing is kept of those who left."""

from thing_operator.bridge.followers import Followers
from thing_operator.core.resource import ObjectKey

ONE, OTHER = ObjectKey("cold", "freezer-1"), ObjectKey("cold", "freezer-2")


async def test_followers_of_one_thing_are_woken() -> None:
    followers = Followers()
    with followers.follow(ONE) as first, followers.follow(ONE) as second, followers.follow(OTHER) as third:
        followers.notice(ONE)
        assert [first.is_set(), second.is_set(), third.is_set()] == [True, True, False]
        followers.job_changed(OTHER, None)
        assert third.is_set()
        third.clear()
        followers.end()
        assert third.is_set()
        assert followers.is_ending
    followers.notice(ONE)
    assert followers._of == {}
