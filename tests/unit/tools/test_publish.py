"""The commands that publish a release. They need a registry, so only their words are tried here."""

from pathlib import Path

import pytest
from tools.publish import Publication, pushed_chart, pushed_image
from tools.release import Release, base_image

RELEASE = Release(Path("dist"), "registry.example/iot", "0.2.0")
DIGEST = "sha256:" + "a" * 64


def test_the_image_is_built_from_the_base_that_was_looked_up() -> None:
    command = Publication(RELEASE, f"python:3.13-slim@{DIGEST}", "c0ffee").build()
    assert "--platform=linux/amd64,linux/arm64" in command
    assert f"--build-arg=BASE_IMAGE=python:3.13-slim@{DIGEST}" in command
    assert f"--label=org.opencontainers.image.base.digest={DIGEST}" in command
    assert {"--sbom=true", "--provenance=mode=max", "--push"} <= set(command)
    assert "--tag=registry.example/iot/thing-operator:0.2.0" in command


def test_what_was_pushed_is_signed_by_digest() -> None:
    image = pushed_image(RELEASE, f'{{"containerimage.digest": "{DIGEST}"}}')
    chart = pushed_chart(
        RELEASE, f"Pushed: registry.example/iot/charts/thing-operator:0.2.0\nDigest: {DIGEST}\n"
    )
    commands = list(Publication(RELEASE, f"python@{DIGEST}", "c0ffee").after(image, chart))
    assert [command[-1] for command in commands] == [
        f"registry.example/iot/thing-operator@{DIGEST}",
        f"registry.example/iot/charts/thing-operator@{DIGEST}",
        f"registry.example/iot/thing-operator@{DIGEST}",
    ]
    assert "--predicate=dist/thing-operator-0.2.0.cdx.json" in commands[2]


def test_a_push_that_names_no_digest_is_an_error() -> None:
    with pytest.raises(LookupError, match="names no digest"):
        pushed_chart(RELEASE, "Pushed\n")
    with pytest.raises(KeyError):
        pushed_image(RELEASE, "{}")


def test_the_base_is_the_dockerfiles() -> None:
    assert base_image().startswith("python:3.")
