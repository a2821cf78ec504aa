"""The operator's image, built of its Dockerfile without a container engine and without pulling anything.

The base is made of Debian's packages by mmdebstrap and kept in the cache folder; buildah builds on it, and runs what
is in the image, by chroot.
"""

import os
import platform
import shutil
import ssl
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.support.operator import OperatorProcess
from tools.release import Release, buildah

from thing_operator_local.processes import ChildProcess
from thing_operator_local.toolchain import cache_dir
from thing_operator_local.toolchain.cache import file_lock

_PACKAGES = ("ca-certificates", "python3", "python3-venv")
_BASE = "localhost/thing-operator-base"


@dataclass(frozen=True, slots=True)
class BuiltImage:
    """A release whose image is in a storage of its own, as a container that programs can be run in."""

    release: Release
    storage: tuple[str, ...]
    container: str

    def command(
        self, *command: str, env: Mapping[str, str] | None = None, readable: Sequence[Path] = ()
    ) -> list[str]:
        """The arguments that run ``command`` in the image, as its user; ``readable`` are files, at the same path."""
        variables = [f"--env={name}={value}" for name, value in (env or {}).items()]
        mounts = [f"--volume={path}:{path}:ro" for path in readable]
        run = [
            "buildah",
            *self.storage,
            "run",
            "--isolation=chroot",
            *variables,
            *mounts,
            self.container,
            "--",
        ]
        return [*run, *command]

    def output(self, *command: str) -> str:
        """What a command prints in the image; raises subprocess.CalledProcessError."""
        return subprocess.run(self.command(*command), check=True, capture_output=True, text=True).stdout


class ImageOperator(OperatorProcess):
    """The operator that runs in the image; it is given its image with :attr:`image`."""

    image: BuiltImage

    def start(self) -> None:
        arguments, env = self.invocation()
        ours = {name: value for name, value in env.items() if name.startswith("THING_OPERATOR_")}
        ours["KUBECONFIG"] = env["KUBECONFIG"]
        readable = []
        for variable, value in ours.items():
            if Path(value).is_file():
                copy = Path(shutil.copy(value, self.log.parent / variable))
                copy.chmod(0o644)  # the image's user is not who runs the test
                ours[variable] = str(copy)
                readable.append(copy)
        command = self.image.command("thing-operator", *arguments, env=ours, readable=readable)
        self._process = ChildProcess(command, name="operator", log=self.log)


def build_image(folder: Path) -> BuiltImage:
    """Make a release in ``folder``; skips the test where the tools are not there, or not allowed."""
    _skip_where_impossible()
    storage = (f"--root={folder}/storage", f"--runroot={folder}/run", "--storage-driver=vfs")
    base = ["buildah", *storage]
    scratch = _output(*base, "from", "scratch")
    _output(*base, "add", "--quiet", scratch, str(_base_files()), "/")
    _output(*base, "commit", "--quiet", "--rm", scratch, _BASE)
    release = Release(folder / "dist", "localhost")
    release.make(buildah(*storage, build=_machine_pip(folder)), {"BASE_IMAGE": _BASE})
    return BuiltImage(release, storage, _output(*base, "from", release.tag))


def _skip_where_impossible() -> None:
    if missing := [name for name in ("buildah", "mmdebstrap") if shutil.which(name) is None]:
        pytest.skip(
            f"the image needs {' and '.join(missing)}, which .ci/run installs where it may: apt-get install"
        )
    if os.geteuid() != 0:
        pytest.skip("the image's base is made by root: file owners are kept")


def _base_files() -> Path:
    """A tar of the smallest system that has Python, of the same Debian or Ubuntu as this machine."""
    suite = platform.freedesktop_os_release()["VERSION_CODENAME"]
    tar = cache_dir() / "image" / f"{suite}-{platform.machine()}.tar"
    tar.parent.mkdir(parents=True, exist_ok=True)
    with file_lock(tar.with_suffix(".lock"), taken=lambda: None):
        if not tar.exists():
            new = tar.with_name(f"new-{tar.name}")
            _output(
                "mmdebstrap",
                "--quiet",
                "--variant=minbase",
                f"--include={','.join(_PACKAGES)}",
                suite,
                str(new),
            )
            new.rename(tar)
    return tar


def _machine_pip(folder: Path) -> tuple[str, ...]:
    """Options of a build in which pip trusts whom this machine trusts, and asks the index that this machine asks."""
    ca = os.environ.get("PIP_CERT") or ssl.get_default_verify_paths().cafile
    given = {"cert": ca, "index-url": os.environ.get("PIP_INDEX_URL")}
    settings = folder / "pip.conf"
    lines = [f"{name} = {value}" for name, value in given.items() if value]
    settings.write_text("\n".join(["[global]", *lines, ""]), encoding="utf-8")
    mounts = [f"--volume={settings}:/etc/pip.conf:ro"]
    if ca:
        mounts.append(f"--volume={Path(ca).resolve()}:{ca}:ro")
    return tuple(mounts)


def _output(*command: str) -> str:
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.strip()
