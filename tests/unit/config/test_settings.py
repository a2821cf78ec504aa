"""Settings: where they come from, which source wins, and what a wrong one says."""

from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.pki import Authority

from thing_operator.config import Settings, SettingsError, load_settings, read_ca_file, read_proxy
from thing_operator.config.suggestions import setting_names, variable_of
from thing_operator.core.durations import format_duration, parse_duration, parse_size


@pytest.fixture(autouse=True)
def no_settings_in_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    import os

    for name in [name for name in os.environ if name.startswith("THING_OPERATOR_")]:
        monkeypatch.delenv(name)


def test_defaults_are_those_of_the_design() -> None:
    settings = load_settings()
    assert settings.endpoint.host is None
    assert settings.endpoint.port == 8883
    assert settings.session.keep_alive == timedelta(minutes=5)
    assert settings.pacing.subscriptions_per_second == 400
    assert settings.shadow.document_limit == 8192
    assert settings.batch.url_hosts == ("*.amazonaws.com",)
    assert settings.namespaces == ()


def test_command_line_beats_environment_beats_file_beats_default(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "config.yaml"
    file.write_text("endpoint: {host: file, port: 443, caFile: /roots.pem}\nsession: {keepAlive: 2m}\n")
    monkeypatch.setenv("THING_OPERATOR_ENDPOINT__HOST", "environment")
    monkeypatch.setenv("THING_OPERATOR_ENDPOINT__PORT", "8884")
    settings = load_settings(file=file, overrides={"endpoint": {"port": 8885}})
    assert settings.endpoint.host == "environment"
    assert settings.endpoint.port == 8885
    assert settings.endpoint.ca_file == Path("/roots.pem")
    assert settings.session.keep_alive == timedelta(minutes=2)


def test_lists_in_the_environment_are_comma_separated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("THING_OPERATOR_NAMESPACES", "a, b")
    monkeypatch.setenv("THING_OPERATOR_ENDPOINT__ALLOWED_HOSTS", "*.amazonaws.com,localhost")
    settings = load_settings()
    assert settings.namespaces == ("a", "b")
    assert settings.endpoint.allowed_hosts == ("*.amazonaws.com", "localhost")


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("sharding: {leaseDuration: 6s, renewInterval: 3s}", ["sharding.renewInterval", "third"]),
        ("session: {keepAlive: soon}", ["session.keepAlive", "'soon'", "30s"]),
        ("session: {keepAlive: 10}", ["session.keepAlive", "10", "a duration such as 30s is expected"]),
        ("session: {keepAlive: 29s}", ["session.keepAlive", "'29s'", "from 30s to 20m"]),
        ("session: {keepAlive: 1201s}", ["session.keepAlive", "'1201s'", "from 30s to 20m"]),
        ("session: {maxBackoff: 0s}", ["session.maxBackoff", "'0s'", "from 1ms to 24h"]),
        ("status: {minInterval: 25h}", ["status.minInterval", "'25h'", "from 0s to 24h"]),
        *(
            (f"endpoint: {{host: '{host}'}}", ["endpoint.host", host, "host name without scheme and port"])
            for host in ("https://x", "x:8883", "<host>", "x/y", "")
        ),
        ("endpoint: {port: 70000}", ["endpoint.port", "70000", "65535"]),
        ("endpoint: {hots: x}", ["endpoint.hots: there is no such setting (did you mean endpoint.host?)"]),
        ("host: x", ["host: there is no such setting (did you mean endpoint.host?)"]),
        ("log: loud", ["log: 'loud' is not allowed: settings below it are expected"]),
        ("session: {keep_alife: 1m}", ["session.keep_alife", "(did you mean session.keepAlive?)"]),
        ("plant: {x: 1}", ["plant: there is no such setting"]),
        ("endpoint: {allowedHosts: ['https://x']}", ["endpoint.allowedHosts", "https://x", "host name"]),
        ("shadow: {documentLimit: much}", ["shadow.documentLimit", "'much'", "8KiB"]),
        ("log: {level: loud}", ["log.level", "'loud'", "'debug'"]),
        ("health: {address: everywhere}", ["health.address", "'everywhere'", "IPv4 or IPv6"]),
        (
            "session: {proxy: 'proxy:1080'}",
            ["session.proxy", "'proxy:1080'", "socks5h://proxy.example.com:1080"],
        ),
        ("session: {proxy: 'http://u@p:1'}", ["session.proxyPasswordFile: session.proxy names a user"]),
        ("log: {level: true}", ["log.level: true is not allowed"]),
        (
            "endpoint: {allowedHosts: {a: null}}",
            ['endpoint.allowedHosts: {"a": null} is not allowed: a list is'],
        ),
        (
            "session: {proxyPasswordFile: /x}",
            ["session.proxyPasswordFile", "session.proxy, which names none"],
        ),
        ("session: {noProxy: ['http://x']}", ["session.noProxy", "CIDRs", "not 'http://x'"]),
        ("[]", ["mapping"]),
        ("a: [", ["not valid YAML: expected the node content, but found '<stream end>' (line 1, column 5)"]),
        ("a: \x00", ["is no text in UTF-8"]),
        (
            "session:\n  keepAlive: 2m\nlog: {}\nsession:\n  maxBackoff: 1m",
            ["the key session is there twice, first in line 1 (line 4, column 1)"],
        ),
        (
            "session:\n  keepAlive: 2m\n  'keepAlive': 3m",
            ["not valid YAML: the key keepAlive is there twice, first in line 2 (line 3, column 3)"],
        ),
        ('{"log": {"level": "info", "level": "debug"}}', ["the key level is there twice, first in line 1"]),
    ],
)
def test_a_wrong_setting_names_key_value_and_remedy(tmp_path: Path, text: str, names: list[str]) -> None:
    file = tmp_path / "config.yaml"
    file.write_text(text)
    with pytest.raises(SettingsError) as caught:
        load_settings(file=file)
    for name in names:
        assert name in caught.value.message


def test_what_a_merge_brings_may_be_there_before(tmp_path: Path) -> None:
    file = tmp_path / "config.yaml"
    file.write_text("session: {<<: {keepAlive: 2m, maxBackoff: 1m}, keepAlive: 3m}\n")
    assert load_settings(file=file).session.keep_alive == timedelta(minutes=3)


def test_a_password_in_a_url_is_refused_and_not_repeated(tmp_path: Path) -> None:
    file = tmp_path / "config.yaml"
    file.write_text("session: {proxy: 'socks5h://plant:hu@sh/hush@proxy:1080'}")
    with pytest.raises(
        SettingsError, match=r"'socks5h://\*\*\*@proxy:1080' is not allowed: .*without the pass"
    ) as caught:
        load_settings(file=file)
    assert "sh" not in caught.value.message.replace("password", "")


def test_the_proxy_of_sessions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("THING_OPERATOR_SESSION__PROXY", "socks5h://plant@proxy.example:1080")
    monkeypatch.setenv("THING_OPERATOR_SESSION__PROXY_PASSWORD_FILE", str(tmp_path / "password"))
    monkeypatch.setenv("THING_OPERATOR_SESSION__NO_PROXY", "10.0.0.0/8, broker.plant")
    settings = load_settings()
    with pytest.raises(SettingsError, match=r"^session\.proxyPasswordFile: .*store it there"):
        read_proxy(settings.session)
    (tmp_path / "password").write_text("hush")
    route = read_proxy(settings.session)
    assert route is not None
    assert (str(route.address), route.password()) == ("proxy.example:1080", "hush")
    assert not route.leads_to("broker.plant", 8883)
    assert "hush" not in repr(route) + repr(settings)
    assert read_proxy(Settings().session) is None


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"absent\.yaml cannot be read"):
        load_settings(file=tmp_path / "absent.yaml")


@pytest.mark.parametrize(
    ("variable", "words"),
    [
        (
            "THING_OPERATOR_ENDPONT__HOST",
            "THING_OPERATOR_ENDPONT__HOST is no setting (did you mean THING_OPERATOR_ENDPOINT__HOST?)",
        ),
        ("THING_OPERATOR_ENDPOINT_HOST", "(did you mean THING_OPERATOR_ENDPOINT__HOST?)"),
        (
            "THING_OPERATOR_ENDPOINT__HSOT",
            "endpoint.hsot: there is no such setting (did you mean endpoint.host?)",
        ),
        ("THING_OPERATOR_PLANT_SIZE_IN_HECTARES", "is no setting; they begin with THING_OPERATOR_BATCH, "),
    ],
)
def test_a_misspelt_variable_is_refused(monkeypatch: pytest.MonkeyPatch, variable: str, words: str) -> None:
    monkeypatch.setenv(variable, "x")
    with pytest.raises(SettingsError) as caught:
        load_settings()
    assert words in caught.value.message


def test_every_variable_that_is_suggested_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in setting_names():
        monkeypatch.setenv(variable_of(name), "?")
    with pytest.raises(SettingsError) as caught:
        load_settings()
    assert "no setting" not in caught.value.message
    assert "no such setting" not in caught.value.message


def test_settings_by_themselves_do_not_read_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("THING_OPERATOR_ENDPOINT__HOST", "environment")
    assert Settings().endpoint.host is None


@given(st.integers(min_value=0, max_value=10**6).map(lambda ms: timedelta(milliseconds=ms)))
def test_durations_read_back_what_they_print(value: timedelta) -> None:
    assert abs(parse_duration(format_duration(value)) - value) < timedelta(milliseconds=1)


@pytest.mark.parametrize(("text", "seconds"), [("500ms", 0.5), ("30s", 30), ("1h30m", 5400)])
def test_durations(text: object, seconds: float) -> None:
    assert parse_duration(text).total_seconds() == seconds


@pytest.mark.parametrize(("text", "size"), [("8KiB", 8192), ("8 KB", 8000), ("100", 100), (5, 5)])
def test_sizes(text: object, size: int) -> None:
    assert parse_size(text) == size


def test_a_ca_file_is_read_as_people_have_it(tmp_path: Path) -> None:
    file, pem = tmp_path / "ca.pem", Authority.new().pem
    file.write_bytes("# Zertifikat für Å\n".encode("latin-1") + pem.encode())
    assert read_ca_file(file).pem == pem


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "cannot be read: No such file"),
        ("", "cannot be used: no certificate in PEM form: the file is empty"),
        ("hello", "there is no complete block"),
    ],
)
def test_a_ca_file_without_a_ca_is_named(content: str | None, words: str, tmp_path: Path) -> None:
    file = tmp_path / "ca.pem"
    if content is not None:
        file.write_text(content)
    with pytest.raises(SettingsError) as caught:
        read_ca_file(file)
    assert caught.value.message.startswith(f"endpoint.caFile {file} ")
    assert words in caught.value.message


@pytest.mark.parametrize(
    ("listeners", "pairs"),
    [
        ({}, []),
        ({"health": {"port": 9090}}, ["metrics.port: 9090 is not allowed: health.port"]),
        ({"bridge": {"port": 8080}}, ["bridge.port: 8080 is not allowed: health.port"]),
        (
            {each: {"port": 1234} for each in ("health", "metrics", "bridge")},
            ["metrics.port: 1234 is not", "bridge.port: 1234 is not", "bridge.port: 1234 is not"],
        ),
        ({each: {"port": 0} for each in ("health", "metrics", "bridge")}, []),
        ({"health": {"port": 1, "address": "::1"}, "metrics": {"port": 1, "address": "127.0.0.1"}}, []),
        ({"health": {"port": 1, "address": "::"}, "metrics": {"port": 1, "address": "127.0.0.1"}}, []),
        (
            {"health": {"port": 1, "address": "::1"}, "metrics": {"port": 1, "address": "::1"}},
            ["metrics.port"],
        ),
        ({"health": {"port": 1}, "metrics": {"port": 1, "address": "::1"}}, ["metrics.port: 1 is not"]),
        (
            {"health": {"port": 1, "address": "127.0.0.2"}, "metrics": {"port": 1, "address": "0.0.0.0"}},  # noqa: S104
            ["metrics.port: 1 is not allowed: health.port is the same, and each needs a port of its own"],
        ),
    ],
)
def test_what_is_listened_on_has_a_port_of_its_own(
    listeners: dict[str, dict[str, object]], pairs: list[str]
) -> None:
    lines: list[str] = []
    try:
        load_settings(overrides=listeners)
    except SettingsError as error:
        lines = error.message.split("\n  ")[1:]
    assert len(lines) == len(pairs)
    assert all(line.startswith(pair) for line, pair in zip(lines, pairs, strict=True))
