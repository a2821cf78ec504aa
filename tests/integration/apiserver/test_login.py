"""How an operator logs in and whom it trusts: what a kubeconfig says is taken as kubectl takes it, and read again."""

import json
import os
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.integration.apiserver.trouble import QUICK, await_ready, connections, start_things
from tests.integration.batches import batch_spec
from tests.support.background import background_loop
from tests.support.cloud import Things
from tests.support.meddling_proxy import MeddlingProxy
from tests.support.operator import Workspace
from tests.support.proxy import ConnectProxy

from thing_operator_local.cloud.client import CloudThing

KUBERNETES = "kubernetes"
"""A name that the certificate may have, and that no name server knows."""
EXEC = {
    "apiVersion": "client.authentication.k8s.io/v1",
    "interactiveMode": "Never",
    "provideClusterInfo": False,
}


def kubeconfig(proxy: MeddlingProxy, path: Path, *, cluster: dict[str, Any], user: dict[str, Any]) -> Path:
    """One for the proxy; ``cluster`` and ``user`` have what is not usual."""
    body = {
        "clusters": [{"name": "c", "cluster": {"server": proxy.url} | cluster}],
        "users": [{"name": "u", "user": user}],
        "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
        "current-context": "x",
    }
    path.write_text(yaml.safe_dump(body), encoding="utf-8")
    return path


def works(workspace: Workspace, thing: CloudThing, value: int) -> None:
    """Wait until an edit of a Thing is answered, and until a ThingBatch is; both kinds are watched."""
    workspace.patch(thing.name, {"desired": {"v": value}})
    workspace.wait_for(thing.name, "Ready")
    name = f"b-{value}"
    workspace.apply("ThingBatch", name, batch_spec())
    workspace.wait_for(name, "Ready", "False", reason="SourceNotFound", kind="thingbatch")
    assert workspace.desired(thing) == {"v": value}


@pytest.mark.parametrize("by", ["exec", "tokenFile"])
def test_a_login_that_is_refused_is_read_again(
    meddled: Workspace, proxy: MeddlingProxy, things: Things, tmp_path: Path, by: str
) -> None:
    (thing,) = things(1)
    token, plugin = tmp_path / "token", tmp_path / "plugin"
    credential = {"kind": "ExecCredential", "apiVersion": EXEC["apiVersion"], "status": {"token": "TOKEN"}}
    plugin.write_text(f"#!/bin/sh\nsed s/TOKEN/$(cat {token})/ <<'END'\n{json.dumps(credential)}\nEND\n")
    plugin.chmod(0o700)
    users: dict[str, dict[str, Any]] = {
        "exec": {"exec": EXEC | {"command": str(plugin)}},
        "tokenFile": {"tokenFile": str(token)},
    }
    token.write_text("first", encoding="utf-8")
    proxy.administrators = {"first"}
    file = kubeconfig(proxy, tmp_path / "config", cluster=trust(proxy), user=users[by])
    meddled.operator.settings["KUBECONFIG"] = str(file)
    meddled.operator.prelude = QUICK
    meddled.operator.start()
    start_things(meddled, thing)
    before = connections(meddled)
    token.write_text("second", encoding="utf-8")
    proxy.administrators = {"second"}
    proxy.cut()
    works(meddled, thing, 2)
    assert connections(meddled) == before
    await_ready(meddled)


def test_a_ca_that_is_renewed_is_read_again(
    meddled: Workspace, proxy: MeddlingProxy, things: Things, tmp_path: Path
) -> None:
    (thing,) = things(1)
    authority = tmp_path / "ca.crt"
    authority.write_text(proxy.ca_pem, encoding="utf-8")
    cluster = {"certificate-authority": "ca.crt"}
    file = kubeconfig(proxy, tmp_path / "config", cluster=cluster, user={"token": proxy.token})
    meddled.operator.settings["KUBECONFIG"] = str(file)
    meddled.operator.prelude = QUICK
    meddled.operator.start()
    start_things(meddled, thing)
    before = connections(meddled)
    proxy.close()
    proxy.open()
    authority.write_text(authority.read_text() + proxy.ca_pem, encoding="utf-8")
    works(meddled, thing, 2)
    assert connections(meddled) == before
    await_ready(meddled)


def test_no_verification_is_warned_of(
    meddled: Workspace, proxy: MeddlingProxy, things: Things, tmp_path: Path
) -> None:
    cluster = {"insecure-skip-tls-verify": True}
    file = kubeconfig(proxy, tmp_path / "config", cluster=cluster, user={"token": proxy.token})
    meddled.operator.settings["KUBECONFIG"] = str(file)
    runs(meddled, things)
    assert "insecure-skip-tls-verify: the certificate of" in meddled.operator.log.read_text()


def test_several_files_relative_paths_and_another_name_of_the_server(
    meddled: Workspace, proxy: MeddlingProxy, things: Things, tmp_path: Path
) -> None:
    proxy.close()
    proxy.open(host="", names=(KUBERNETES,))
    folder = tmp_path / "below"
    folder.mkdir()
    (folder / "ca.crt").write_text(proxy.ca_pem, encoding="utf-8")
    (folder / "token").write_text(proxy.token, encoding="utf-8")
    cluster = {"certificate-authority": "ca.crt", "tls-server-name": KUBERNETES}
    file = kubeconfig(proxy, folder / "config", cluster=cluster, user={"tokenFile": "token"})
    body = yaml.safe_load(file.read_text())
    first = tmp_path / "first"
    first.write_text(yaml.safe_dump({"current-context": body.pop("current-context")}), encoding="utf-8")
    file.write_text(yaml.safe_dump(body), encoding="utf-8")
    meddled.operator.settings["KUBECONFIG"] = os.pathsep.join(map(str, (first, tmp_path / "absent", file)))
    runs(meddled, things)


@pytest.fixture
def http_proxy(proxy: MeddlingProxy) -> Iterator[ConnectProxy]:
    """Leads to the API server, whatever it is called."""
    with background_loop() as run:
        found = ConnectProxy(to_port=proxy.port)
        run(found.__aenter__())
        yield found
        run(found.__aexit__())


@pytest.mark.parametrize("by", ["HTTPS_PROXY", "proxy-url"])
def test_an_api_server_that_only_a_proxy_knows(
    meddled: Workspace, proxy: MeddlingProxy, http_proxy: ConnectProxy, things: Things, by: str
) -> None:
    proxy.close()
    proxy.open(host="", names=(KUBERNETES,))
    cluster = trust(proxy) | {"server": f"https://{KUBERNETES}:{proxy.port}"}
    if by == "proxy-url":
        cluster["proxy-url"] = http_proxy.url
    else:
        meddled.operator.settings |= {"HTTPS_PROXY": http_proxy.url, "NO_PROXY": "127.0.0.0/8,.svc"}
    kubeconfig(proxy, proxy.kubeconfig, cluster=cluster, user={"token": proxy.token})
    runs(meddled, things)
    assert set(http_proxy.asked) == {f"{KUBERNETES}:{proxy.port}"}


def test_a_network_in_no_proxy_is_reached_directly(
    meddled: Workspace, http_proxy: ConnectProxy, things: Things
) -> None:
    http_proxy.refuses = "403 Forbidden"
    meddled.operator.settings |= {"HTTPS_PROXY": http_proxy.url, "NO_PROXY": "127.0.0.0/8,.svc"}
    runs(meddled, things)
    assert http_proxy.asked == []


def runs(workspace: Workspace, things: Things) -> None:
    (thing,) = things(1)
    workspace.operator.start()
    start_things(workspace, thing)
    works(workspace, thing, 1)
    await_ready(workspace)


def trust(proxy: MeddlingProxy) -> dict[str, Any]:
    """The part of a cluster that has the proxy verified."""
    return {"certificate-authority-data": b64encode(proxy.ca_pem.encode()).decode()}
