"""What of kopf's inside the operator stands on: not promised by its authors, so each new version is looked at here."""

import ast
import inspect
import subprocess
import sys
from typing import Any

import kopf
from kopf._cogs.clients import api, auth, errors, fetching, watching
from kopf._core.reactor import inventory, observation, processing

from thing_operator.watching import kopf_parts, kopf_session


def attributes(module: Any, owner: str) -> set[str]:
    """The attributes of what is called ``owner`` (``session``, or ``x.session``) that a module uses."""
    found = set()
    for node in ast.walk(ast.parse(inspect.getsource(module))):
        if isinstance(node, ast.Attribute) and ast.unparse(node.value).rsplit(".", maxsplit=1)[-1] == owner:
            found.add(node.attr)
    return found


def test_kopf_needs_no_more_of_a_session_than_ours_has() -> None:
    needed = attributes(api, "session") | attributes(auth, "session")
    assert needed == {"request", "closed", "headers", "close"}
    session = kopf_session.KopfSession({}, [])
    assert all(hasattr(session, name) for name in needed)


def test_kopf_needs_no_more_of_an_answer_than_ours_has() -> None:
    needed = attributes(api, "response") - {"_response"}
    assert needed == {"json", "content", "close"}
    assert "if response.status >= 400:" in inspect.getsource(errors.check_response), (
        "of ours it needs no more"
    )
    answer = kopf_session._Answer()
    assert all(hasattr(answer, name) for name in (*needed, "status", "__aenter__"))
    assert attributes(api, "content") == {"iter_chunked"}


def test_kopf_asks_its_memories_what_ours_answer() -> None:
    assert attributes(processing, "memories") == {"recall", "forget"}
    for name in ("recall", "forget"):
        theirs = inspect.signature(getattr(inventory.ResourceMemories, name)).parameters
        assert list(theirs)[:2] == ["self", "raw_body"]
        assert inspect.iscoroutinefunction(getattr(kopf_parts.NoMemories, name))
    assert "memories" in inspect.signature(kopf.spawn_tasks).parameters


def test_kopf_takes_these_for_a_lost_connection_and_this_for_a_reason_to_list_again() -> None:
    for function in (watching.continuous_watch, watching.watch_objs):
        assert "except (aiohttp.ClientConnectionError, aiohttp.ClientPayloadError, TimeoutError)" in (
            inspect.getsource(function)
        )
    assert "['code'] == 410" in inspect.getsource(watching.continuous_watch)


def test_kopf_reads_of_a_list_what_ours_has() -> None:
    source = inspect.getsource(fetching.fetch_objs)
    for part in ("rsp.get('items', [])", "rsp.get('metadata', {}).get('resourceVersion')"):
        assert part in source


def test_kopf_waits_for_namespaces_and_crds_in_what_the_cluster_serves() -> None:
    source = inspect.getsource(observation)
    assert "insights.backbone.wait_for(references.NAMESPACES)" in source
    assert "insights.backbone.wait_for(references.CRDS)" in source


def test_the_operator_does_without_the_clients_that_kopf_looks_for() -> None:
    """And whoever needs one later, as a login by OIDC does, gets it."""
    program = (
        "import sys, thing_operator.app.run, thing_operator.kube.client; "
        "print(*sorted({'kubernetes', 'requests', 'oauthlib'} & set(sys.modules))); "
        "import kubernetes.aio.config; print(kubernetes.__name__)"
    )
    done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    assert done.stdout == "\nkubernetes\n"
