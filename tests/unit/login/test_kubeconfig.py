"""What is read of kubeconfigs, as kubectl reads them, and what is refused in a sentence."""

import json
from pathlib import Path
from typing import Any

import pytest

from thing_operator.login.errors import LoginError
from thing_operator.login.kubeconfig import kubeconfig_files, read_access

SERVER = {"server": "https://api.example:6443"}
PLUGIN = {"apiVersion": "client.authentication.k8s.io/v1", "command": "plugin"}
PEM = "Zm9v"


def write(path: Path, **parts: Any) -> Path:
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(parts), encoding="utf-8")
    return path


def entries(kind: str, **fields: Any) -> list[dict[str, Any]]:
    return [{"name": name, kind: value} for name, value in fields.items()]


def single(path: Path, cluster: dict[str, Any] | None = None, user: dict[str, Any] | None = None) -> Path:
    """A kubeconfig of one context."""
    context = {"cluster": "c"} | ({} if user is None else {"user": "u"})
    return write(
        path,
        clusters=entries("cluster", c=SERVER | (cluster or {})),
        users=entries("user", u=user),
        contexts=entries("context", x=context),
        **{"current-context": "x"},
    )


def test_of_several_files_the_first_counts_for_each_name_and_for_the_context(tmp_path: Path) -> None:
    first = write(
        tmp_path / "1" / "config",
        clusters=entries("cluster", c=SERVER),
        contexts=entries("context", x={"cluster": "c", "user": "u"}),
        **{"current-context": "x"},
    )
    empty = tmp_path / "empty"
    empty.touch()
    second = write(
        tmp_path / "2" / "config",
        clusters=entries("cluster", c={"server": "https://other.example"}),
        users=entries("user", u={"token": "t"}),
        contexts=entries("context", y={"cluster": "c"}),
        **{"current-context": "y"},
    )
    found = read_access([empty, first, second])
    assert (found.cluster, found.user) == (SERVER, {"token": "t"})
    assert "'t'" not in repr(found)


def test_paths_are_relative_to_the_file_they_stand_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(
        tmp_path / "a" / "config",
        clusters=entries("cluster", c=SERVER | {"certificate-authority": "ca.crt"}),
        contexts=entries("context", x={"cluster": "c", "user": "u"}),
        **{"current-context": "x"},
    )
    write(
        tmp_path / "b" / "config",
        users=entries("user", u={"client-certificate": "../tls.crt", "client-key": "/abs/tls.key"}),
    )
    monkeypatch.chdir(tmp_path)
    found = read_access([Path("a/config"), Path("b/config")])
    assert found.cluster["certificate-authority"] == str(tmp_path / "a" / "ca.crt")
    assert found.user["client-certificate"] == str(tmp_path / "b" / ".." / "tls.crt")
    assert found.user["client-key"] == "/abs/tls.key"


@pytest.mark.parametrize(
    ("command", "runs"), [("plugin", "plugin"), ("./bin/plugin", "{}/bin/plugin"), ("/bin/p", "/bin/p")]
)
def test_a_plugin_with_a_slash_is_beside_the_kubeconfig(tmp_path: Path, command: str, runs: str) -> None:
    found = read_access([single(tmp_path / "config", user={"exec": PLUGIN | {"command": command}})])
    assert found.user["exec"]["command"] == runs.format(tmp_path)


def test_which_files_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    there, other = single(tmp_path / "there"), single(tmp_path / "other")
    named = {"KUBECONFIG": f"{tmp_path / 'absent'}:{there}::{other}"}
    assert kubeconfig_files(None, named) == (there, other)
    assert kubeconfig_files(other, named) == (other,)
    with pytest.raises(LoginError, match=r"there is no kubeconfig .*absent: set KUBECONFIG"):
        kubeconfig_files(None, {"KUBECONFIG": str(tmp_path / "absent")})
    with pytest.raises(LoginError, match=r"\.kube/config"):
        kubeconfig_files(None, {})
    default = single(tmp_path / ".kube" / "config")
    assert kubeconfig_files(None, {"KUBECONFIG": ""}) == (default,)


@pytest.mark.parametrize(
    ("cluster", "says"),
    [
        ({"server": "api.example:6443"}, "server of cluster 'c' of the kubeconfig is no URL"),
        ({"server": None}, "server of .*https://HOST:PORT"),
        (
            {"insecure-skip-tls-verify": True, "certificate-authority-data": PEM},
            "certificate-authority and insecure-skip-tls-verify: remove the latter",
        ),
        ({"proxy-url": "socks5://p.example"}, "proxy-url of cluster 'c' .*one of socks5://"),
        (
            {"certificate-authority": "x", "certificate-authority-data": PEM},
            "certificate-authority and certificate-authority-data: remove one",
        ),
        ({"certificate-authority-data": "hidden?"}, "certificate-authority-data of .*is not base64"),
    ],
)
def test_a_cluster_that_is_refused(tmp_path: Path, cluster: dict[str, Any], says: str) -> None:
    with pytest.raises(LoginError, match=says) as caught:
        read_access([single(tmp_path / "config", cluster)])
    assert "hidden" not in str(caught.value)


@pytest.mark.parametrize(
    ("user", "says"),
    [
        ({"client-certificate-data": PEM}, "one of client-certificate and client-key: add the other"),
        ({"client-key": "x"}, "one of client-certificate and client-key: add the other"),
        ({"client-key-data": "hidden?"}, "client-key-data of user 'u' .*not base64"),
        ({"token": "hidden", "username": "u"}, "token and username, of which one can be used"),
        ({"token": "hidden", "exec": PLUGIN}, "token and exec, of which"),
        ({"auth-provider": {"name": "gcp"}}, "auth-provider 'gcp' .*use the provider's exec plugin"),
        ({"exec": "hidden"}, "config is not a kubeconfig"),
        ({"auth-provider": ["hidden"]}, "a field that is none"),
        ({"as-groups": ["g"]}, "without as: add as"),
        ({"exec": PLUGIN | {"command": ""}}, "exec of user 'u' .*no command"),
        (
            {"exec": PLUGIN | {"apiVersion": "client.authentication.k8s.io/v1alpha1"}},
            "exec.apiVersion .*use client.authentication.k8s.io/v1 or .*v1beta1",
        ),
        ({"exec": PLUGIN | {"interactiveMode": "Always"}}, "interactiveMode .*no terminal"),
    ],
)
def test_a_user_that_is_refused(tmp_path: Path, user: dict[str, Any], says: str) -> None:
    with pytest.raises(LoginError, match=says) as caught:
        read_access([single(tmp_path / "config", user=user)])
    assert "hidden" not in str(caught.value)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"current-context": ""}, "no current-context: choose one with `kubectl config use-context`"),
        ({"current-context": "z"}, "current-context .*names 'z', which contexts do not have"),
        ({"users": []}, "context 'x' .*names 'u', which users do not have"),
        ({"clusters": None}, "context 'x' .*names 'c', which clusters do not have"),
        ({"users": "hidden"}, "config is not a kubeconfig: correct it"),
        ({"users": [{"user": {"token": "hidden"}}]}, "config is not a kubeconfig: correct it"),
    ],
)
def test_a_context_that_names_nothing(tmp_path: Path, change: dict[str, Any], says: str) -> None:
    file = single(tmp_path / "config", user={"token": "hidden"})
    write(file, **json.loads(file.read_text()) | change)
    with pytest.raises(LoginError, match=says) as caught:
        read_access([file])
    assert "hidden" not in str(caught.value)


def test_a_file_that_may_not_be_read(tmp_path: Path) -> None:
    with pytest.raises(LoginError, match="cannot be read"):
        read_access([tmp_path])
