"""What `make release` makes, on a machine without a container engine: the image runs as a pod would run it."""

import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from packaging.utils import canonicalize_name
from tests.support.cloud import Things
from tests.support.image import BuiltImage, ImageOperator, build_image
from tests.support.operator import Workspace
from tools.audit import IMAGE, pins

from thing_operator import __version__
from thing_operator_local.cloud.client import LocalCloud
from thing_operator_local.controlplane import ControlPlane

# The first test waits for the base and the build, which load packages.
pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]

MEGABYTES = 90
"""What the operator adds to its base."""


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BuiltImage]:
    # Short and below /tmp: what is run in the image looks for its files from there.
    folder = tmp_path_factory.mktemp("image")
    try:
        yield build_image(folder)
    finally:
        shutil.rmtree(folder)


@pytest.fixture
def in_image(
    control_plane: ControlPlane, cloud: LocalCloud, namespace: str, tmp_path: Path, image: BuiltImage
) -> Iterator[Workspace]:
    operator = ImageOperator(plane=control_plane, cloud=cloud, namespace=namespace, folder=tmp_path)
    operator.image = image
    operator.start()
    kubectl = control_plane.kubectl
    yield Workspace(kubectl=kubectl, cloud=cloud, operator=operator, namespace=namespace)
    operator.stop()
    text = operator.log.read_text(errors="replace")
    print(text)
    assert "PRIVATE KEY" not in text
    assert "Traceback" not in text


def test_the_image_has_the_operator_and_little_else(image: BuiltImage) -> None:
    assert image.output("thing-operator", "--version") == f"thing-operator {__version__}\n"
    assert image.output("id", "-u") == "65532\n"
    code = "import importlib.util as u; print([n for n in ('pip', 'thing_operator_local') if u.find_spec(n)])"
    assert image.output("python3", "-c", code).strip() == "[]"
    kilobytes = int(image.output("du", "--summarize", "/opt/thing-operator").split()[0])
    assert kilobytes < MEGABYTES * 1024


def test_the_bill_of_materials_is_what_is_in_the_image(image: BuiltImage) -> None:
    bill = json.loads(image.release.bill.read_text(encoding="utf-8"))
    named = {(canonicalize_name(part["name"]), part["version"]) for part in bill["components"]}
    code = (
        "from importlib.metadata import distributions as d; print(*{f'{p.name}=={p.version}' for p in d()})"
    )
    installed = [line.split("==") for line in image.output("python3", "-c", code).split()]
    assert named == {(canonicalize_name(name), version) for name, version in installed}
    pinned = {(name, version) for name, (version, _) in pins(IMAGE.read_text(encoding="utf-8")).items()}
    assert named - pinned == {("thing-operator", __version__)}


def test_the_sums_are_those_of_the_files(image: BuiltImage) -> None:
    release = image.release
    checked = ["sha256sum", "--check", "--strict", release.sums.name]
    done = subprocess.run(checked, cwd=release.folder, check=True, capture_output=True, text=True)
    assert len(done.stdout.splitlines()) == len(release.files)


def test_a_thing_becomes_ready_by_the_image(in_image: Workspace, things: Things) -> None:
    (thing,) = things(1)
    in_image.store_credentials(thing)
    name = in_image.apply_thing(thing, {"desired": {"setpoint": -18}})
    in_image.wait_for(name, "Ready")
    assert in_image.desired(thing) == {"setpoint": -18}


def test_the_manifest_is_taken_as_one_file(image: BuiltImage, bare_control_plane: ControlPlane) -> None:
    bare_control_plane.kubectl("apply", "--server-side", f"--filename={image.release.manifest}")
    where = ("deployment/thing-operator", "--namespace=thing-operator")
    path = "--output=jsonpath={.spec.template.spec.containers[*].image}"
    assert bare_control_plane.kubectl("get", *where, path) == image.release.tag
    bare_control_plane.kubectl("wait", "--for=condition=Established", "crd/things.thing-operator.io")
