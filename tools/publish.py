"""Push image and chart of this version to a registry, and sign both by digest. ``make publish`` calls it.

The image is built anew for both architectures by docker's buildx, which adds what Debian's packages are (SBOM) and
how it was built (provenance). The base image's digest is looked up first and built from, so that both architectures
and every stage have the same base. cosign signs without a key, by the identity that it is given (OIDC).
"""

import argparse
import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tools.release import ROOT, Release, base_image, revision

PLATFORMS = ("linux/amd64", "linux/arm64")


@dataclass(frozen=True, slots=True)
class Publication:
    """The commands that publish a release, in their order; each is a list of arguments."""

    release: Release
    base: str
    """Name and digest: ``python:3.13-slim@sha256:...``."""
    commit: str

    @property
    def metadata(self) -> Path:
        """Where buildx writes what it has pushed."""
        return self.release.folder / "pushed.json"

    def build(self) -> list[str]:
        """Build for all platforms, and push with SBOM and provenance."""
        name, digest = self.base.rsplit("@", 1)
        arguments = {"BASE_IMAGE": self.base, "VERSION": self.release.version, "REVISION": self.commit}
        labels = {"base.name": name, "base.digest": digest}
        return [
            *("docker", "buildx", "build", f"--platform={','.join(PLATFORMS)}"),
            *(f"--build-arg={key}={value}" for key, value in arguments.items()),
            *(f"--label=org.opencontainers.image.{key}={value}" for key, value in labels.items()),
            *("--sbom=true", "--provenance=mode=max", f"--tag={self.release.tag}", "--push"),
            *(f"--metadata-file={self.metadata}", str(ROOT)),
        ]

    def after(self, image: str, chart: str) -> Iterator[list[str]]:
        """Sign both, and attach the bill of materials; ``image`` and ``chart`` are ``name@sha256:...``."""
        yield ["cosign", "sign", "--yes", image]
        yield ["cosign", "sign", "--yes", chart]
        bill = f"--predicate={self.release.bill}"
        yield ["cosign", "attest", "--yes", "--type=cyclonedx", bill, image]


def pushed_image(release: Release, metadata: str) -> str:
    """The image as ``name@digest``, from what buildx has written. Raises KeyError when it names none."""
    digest: str = json.loads(metadata)["containerimage.digest"]
    return f"{release.registry}/thing-operator@{digest}"


def pushed_chart(release: Release, output: str) -> str:
    """The chart as ``name@digest``, from what ``helm push`` prints. Raises LookupError when it names none."""
    for line in output.splitlines():
        if line.startswith("Digest: "):
            return f"{release.registry}/charts/thing-operator@{line.removeprefix('Digest: ').strip()}"
    raise LookupError(f"helm push names no digest: {output}")


def main() -> None:
    """Publish what ``make release`` has made into ``dist/``."""
    parser = argparse.ArgumentParser(description="Push image and chart of this version, and sign them.")
    parser.add_argument("--registry", required=True, help="where to, such as ghcr.io/OWNER")
    options = parser.parse_args()
    release = Release(ROOT / "dist", options.registry)
    if missing := [file.name for file in release.files if not file.exists()]:
        sys.exit(f'dist/ lacks {", ".join(missing)}: make release ARGS="--registry {options.registry}"')
    name = base_image()
    looked_up = _run(
        "docker", "buildx", "imagetools", "inspect", "--format={{.Manifest.Digest}}", name
    ).strip()
    publication = Publication(release, f"{name}@{looked_up}", revision())
    _run(*publication.build())
    image = pushed_image(release, publication.metadata.read_text(encoding="utf-8"))
    publication.metadata.unlink()
    chart = pushed_chart(
        release, _run("helm", "push", str(release.chart), f"oci://{release.registry}/charts")
    )
    for command in publication.after(image, chart):
        _run(*command)
    print(f"{image}\n{chart}\nwere pushed and signed")


def _run(*command: str) -> str:
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    return done.stdout


if __name__ == "__main__":
    try:
        main()
    except subprocess.CalledProcessError as fault:
        sys.exit(f"{' '.join(fault.cmd[:3])} ... failed with code {fault.returncode}:\n{fault.output}")
