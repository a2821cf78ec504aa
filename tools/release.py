"""Make what a cluster needs of a release, into ``dist/``: image, chart, one manifest, and what they are made of.

``make release`` calls it.

Nothing is pushed: the image is an archive that ``docker load`` and ``kind load image-archive`` take, the chart a
package for ``helm push`` and ``helm install``, the manifest a file for ``kubectl apply --server-side``.
"""

import argparse
import hashlib
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import yaml
from tools.bill_of_materials import write_bill
from tools.image_archive import image_config
from tools.version import section

from thing_operator import __version__
from thing_operator_local.controlplane import locate_binaries
from thing_operator_local.toolchain import LineReporter

ROOT = Path(__file__).resolve().parents[1]
CHART = ROOT / "charts" / "thing-operator"
USER = "65532:65532"
"""Whom the image runs as; the chart's security context names the same."""


@dataclass(frozen=True, slots=True)
class Builder:
    """A program that builds images: how it is called before, in and after a build."""

    program: tuple[str, ...]
    build: tuple[str, ...]
    save: tuple[str, ...]
    """With ``{tag}`` and ``{file}``."""

    def make(self, tag: str, arguments: Mapping[str, str]) -> None:
        """Build the image of the Dockerfile under this name. Raises subprocess.CalledProcessError."""
        given = [f"--build-arg={name}={value}" for name, value in arguments.items()]
        _run(*self.program, *self.build, *given, f"--tag={tag}", str(ROOT))

    def archive(self, tag: str, file: Path) -> None:
        """Write the image to an archive as ``docker load`` takes it."""
        file.unlink(missing_ok=True)
        _run(*self.program, *(part.format(tag=tag, file=file) for part in self.save))


DOCKER = Builder(("docker",), ("build",), ("save", "--output={file}", "{tag}"))


def buildah(*options: str, build: tuple[str, ...] = ()) -> Builder:
    """buildah by chroot, as in a container that may not make containers; ``options`` go before the command."""
    return Builder(
        ("buildah", *options),
        ("build", "--isolation=chroot", *build),
        ("push", "{tag}", "docker-archive:{file}:{tag}"),
    )


def available_builder() -> Builder:
    """Docker where its engine answers, else buildah. Ends the program with a sentence where neither is there."""
    if shutil.which("docker"):
        asked = subprocess.run(["docker", "info"], capture_output=True, check=False)
        if asked.returncode == 0:
            return DOCKER
    if shutil.which("buildah"):
        return buildah()
    sys.exit("the image needs docker with an engine that answers, or buildah: install one of them")


@dataclass(frozen=True, slots=True)
class Release:
    """One version, for one registry, in one folder."""

    folder: Path
    registry: str
    version: str = __version__

    @property
    def tag(self) -> str:
        """The image's full name."""
        return f"{self.registry}/thing-operator:{self.version}"

    @property
    def image(self) -> Path:
        """The archive of the image."""
        return self.folder / f"thing-operator-{self.version}-image.tar"

    @property
    def chart(self) -> Path:
        """The chart's package, named by Helm."""
        return self.folder / f"thing-operator-{self.version}.tgz"

    @property
    def manifest(self) -> Path:
        """All objects for all namespaces, CRDs and namespace included."""
        return self.folder / "thing-operator.yaml"

    @property
    def bill(self) -> Path:
        """The image's Python packages, as CycloneDX."""
        return self.folder / f"thing-operator-{self.version}.cdx.json"

    @property
    def sums(self) -> Path:
        """The SHA-256 of each of the other files, as ``sha256sum --check`` takes them."""
        return self.folder / "SHA256SUMS"

    @property
    def files(self) -> tuple[Path, ...]:
        """All that is made but the sums, which name them."""
        return self.image, self.chart, self.manifest, self.bill, self.notes

    @property
    def notes(self) -> Path:
        """What the changelog says of this version."""
        return self.folder / "NOTES.md"

    def make(self, builder: Builder, arguments: Mapping[str, str]) -> None:
        """Make all of them, and check them; ``arguments`` are the Dockerfile's. Ends the program with what is wrong."""
        programs = locate_binaries(("helm", "kubectl"), reporter=LineReporter(print))
        self.folder.mkdir(parents=True, exist_ok=True)
        _run(str(programs["helm"]), "package", str(CHART), f"--destination={self.folder}")
        self._write_manifest(programs["kubectl"])
        builder.make(self.tag, {"VERSION": self.version, "REVISION": revision(), **arguments})
        builder.archive(self.tag, self.image)
        write_bill(self.image, self.bill)
        self.notes.write_text(section(self.version), encoding="utf-8")
        self.sums.write_text(
            "".join(f"{_sha256(file)}  {file.name}\n" for file in self.files), encoding="utf-8"
        )
        if faults := [*self._chart_faults(programs["helm"]), *self._image_faults()]:
            sys.exit("\n".join(faults))

    def _write_manifest(self, kubectl: Path) -> None:
        # kustomize takes no absolute paths, and none from outside of what it is started in.
        overlay = ROOT / "dist" / "overlay"
        overlay.mkdir(parents=True, exist_ok=True)
        image = {
            "name": "thing-operator",
            "newName": f"{self.registry}/thing-operator",
            "newTag": self.version,
        }
        kustomization = {"resources": ["../../deploy/overlays/cluster"], "images": [image]}
        (overlay / "kustomization.yaml").write_text(yaml.safe_dump(kustomization), encoding="utf-8")
        try:
            self.manifest.write_text(_run(str(kubectl), "kustomize", str(overlay)), encoding="utf-8")
        finally:
            shutil.rmtree(overlay)

    def _chart_faults(self, helm: Path) -> list[str]:
        rendered = _run(
            str(helm), "template", "thing-operator", str(self.chart), f"--set=image.registry={self.registry}"
        )
        return [
            f"{name}: it runs {sorted(images)}, and the image is {self.tag}"
            for name, text in (
                (self.chart.name, rendered),
                (self.manifest.name, self.manifest.read_text(encoding="utf-8")),
            )
            if (images := set(re.findall(r"^ +(?:- )?image: \"?([^\s\"]+)", text, re.MULTILINE)))
            != {self.tag}
        ]

    def _image_faults(self) -> list[str]:
        name, config = image_config(self.image)
        found = {
            "name": name,
            "user": config["User"],
            "version": config["Labels"]["org.opencontainers.image.version"],
        }
        wanted = {"name": self.tag, "user": USER, "version": self.version}
        return [] if found == wanted else [f"{self.image.name}: it says {found}, and it should say {wanted}"]


def base_image() -> str:
    """The base that the Dockerfile names."""
    [name] = re.findall(
        r"^ARG BASE_IMAGE=(\S+)", (ROOT / "Dockerfile").read_text(encoding="utf-8"), re.MULTILINE
    )
    return str(name)


def revision() -> str:
    """The commit that is checked out."""
    return _run("git", "-C", str(ROOT), "rev-parse", "HEAD").strip()


def _sha256(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _run(*command: str) -> str:
    """What a command prints; its complaints go to the terminal."""
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


def main() -> None:
    """Make the release and say what to do with it."""
    parser = argparse.ArgumentParser(description="Make image, chart and manifest of this version into dist/.")
    parser.add_argument(
        "--registry", default="localhost", help="where the image will be pulled from (default: %(default)s)"
    )
    parser.add_argument("--base-image", help="instead of the Dockerfile's: Python 3.11 or newer with venv")
    options = parser.parse_args()
    release = Release(ROOT / "dist", options.registry)
    builder = available_builder()
    release.make(builder, {"BASE_IMAGE": options.base_image} if options.base_image else {})
    print(_next_steps(release, builder))


def _next_steps(release: Release, builder: Builder) -> str:
    image, chart, manifest = (
        path.relative_to(ROOT) for path in (release.image, release.chart, release.manifest)
    )
    if release.registry == "localhost":
        give = f"kind load image-archive {image}        # or: minikube image load {image}"
    else:
        push = f"{' '.join(builder.program)} push {release.tag}"
        give = f"{push}        # elsewhere: docker load --input {image}, and docker push"
    return f"""
{release.tag} is in {image}: give it to the cluster

    {give}

and install it by Helm, with the broker's host name from App Board (Settings > About),

    helm install thing-operator {chart} --namespace thing-operator --create-namespace \\
      --set image.registry={release.registry} --set config.endpoint.host="$BROKER"

or by kubectl, where each Thing names its broker (spec.endpoint.host):

    kubectl apply --server-side --filename {manifest}
"""


if __name__ == "__main__":
    try:
        main()
    except subprocess.CalledProcessError as fault:
        sys.exit(f"{' '.join(fault.cmd[:3])} ... failed with code {fault.returncode}: what it says is above")
