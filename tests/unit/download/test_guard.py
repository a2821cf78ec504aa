"""Which addresses may be asked."""

import pytest

from thing_operator.download.errors import UrlNotAllowedError
from thing_operator.download.guard import HostRules
from thing_operator.download.https import HttpsClient

RULES = HostRules(("*.amazonaws.com", "zips.example", "127.0.0.1"))


@pytest.mark.parametrize(
    "url",
    [
        "https://b.s3.amazonaws.com/k?X-Amz-Signature=a%2Fb\n",
        "https://zips.example:8443/x",
        "https://127.0.0.1:1/x",
    ],
)
def test_allowed(url: str) -> None:
    assert str(RULES.parse(url)) == url.strip()


@pytest.mark.parametrize(
    "url",
    [
        "http://b.s3.amazonaws.com/k",
        "https://amazonaws.com.evil.example/k",
        "https://user:pw@b.s3.amazonaws.com/k",
        "https://evil.example\\@b.s3.amazonaws.com/secret",
        "https://b.s3.amazonaws.com:8443/k",
        "https://b.s3.amazonaws.com:99999/k",
        "https://169.254.169.254/latest",
        "https://[::1]/secret",
        "https://2130706433/secret",
        "https://localhost/secret",
        "file:///etc/passwd",
        "https:///secret",
        "https://b.s3.amazonaws.com/a b",
        "secret",
        "",
    ],
)
def test_refused_without_repeating_it(url: str) -> None:
    with pytest.raises(UrlNotAllowedError) as caught:
        RULES.parse(url)
    assert "secret" not in caught.value.message
    assert "pw" not in caught.value.message


def test_only_a_host_that_is_named_may_be_at_a_private_address() -> None:
    assert RULES.admits("zips.example", "10.0.0.1")
    assert not RULES.admits("b.s3.amazonaws.com", "10.0.0.1")


@pytest.mark.real_time
async def test_a_name_is_checked_where_it_leads() -> None:
    """The machine's own hosts file gives ``localhost`` loopback; only a pattern lets the name pass."""
    https = HttpsClient(hosts=("*ocalhost",))
    with pytest.raises(UrlNotAllowedError, match="private address"):
        await https.download("https://localhost/x", limit=10)
