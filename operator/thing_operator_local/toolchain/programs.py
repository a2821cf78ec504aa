"""All programs that are built here, and where the control plane's come from: KUBEBUILDER_ASSETS, PATH, cache or build.

The pins are in the go.mod files under ``thing_operator_local/go``. Kubernetes v1.37.2 is the newest supported minor:
what holds here for CEL rules, field validation and server-side apply holds for the clusters that users come to.
"""

import os
import re
import shutil
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from thing_operator_local.toolchain.building import GoModule, GoProgram, build_binaries, cached_binaries
from thing_operator_local.toolchain.reporter import Reporter

ASSETS_VARIABLE = "KUBEBUILDER_ASSETS"

_GO = Path(__file__).parents[1] / "go"
_KUBERNETES = "k8s.io/kubernetes"
_VERSION_PACKAGE = "k8s.io/component-base/version"

_Minor = tuple[int, int]


@dataclass(frozen=True, slots=True)
class _Source:
    """A Go module of ours, and the module it pins whose version names the outcome."""

    folder: str
    pin: str
    title: str
    duration: str
    gcflags: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Tool:
    program: GoProgram
    source: _Source
    pin: str | None
    """The Go module whose version the program's version is. None for what is always built: a program of ours, and a
    scanner, whose findings tests hold exactly."""

    version_arguments: tuple[str, ...] = ("--version",)
    skew: int = 0
    """By how many minor versions a copy from elsewhere may differ."""
    quick_skew: int = 0
    """The same where building one has to be avoided."""


# Debugging information would be stripped anyway. Without inlining packages compile in half the time; these are
# most of what is compiled, and little of what runs often, which is in apimachinery and apiserver.
_OPTIMISED = (
    "all=-dwarf=false",
    f"{_KUBERNETES}/...=-dwarf=false -l",
    "k8s.io/client-go/...=-dwarf=false -l",
)
_PLANE = _Source("controlplane", _KUBERNETES, "Kubernetes", "about 5 minutes on two cores", _OPTIMISED)
# Unoptimised it is compiled in less time, and in a tenth less still where each of the compilers, which run beside each
# other anyway, has one thread. A demo and a test of a few Things do not notice.
_QUICK = replace(_PLANE, duration="about 4 minutes on two cores", gcflags=("all=-N -l -c=1",))
_HELM = _Source("helm", "helm.sh/helm/v4", "Helm", "about 2 minutes")
_HELM_3 = _Source("helm3", "helm.sh/helm/v3", "Helm", "half a minute after Helm 4")
_SCANNERS = _Source("scanners", "github.com/zegl/kube-score", "the scanners, kube-score", "a minute")
# Without the clients of twenty clouds, where it could look for what to scrape.
_PROMETHEUS = _Source(
    "prometheus",
    "github.com/prometheus/prometheus",
    "Prometheus",
    "3 minutes",
    gcflags=("all=-N -l",),
    tags=("remove_all_sd",),
)
_ACTIONLINT = _Source("actionlint", "github.com/rhysd/actionlint", "actionlint", "ten seconds")
_KREW = _Source("krew", "sigs.k8s.io/krew", "krew", "a minute", gcflags=("all=-N -l",))
_ETCD = "go.etcd.io/etcd/server/v3"

_TOOLS = (
    _Tool(GoProgram("etcd", _ETCD, built_as="server"), _PLANE, _ETCD, skew=1),
    _Tool(GoProgram("kube-apiserver", f"{_KUBERNETES}/cmd/kube-apiserver"), _PLANE, _KUBERNETES),
    _Tool(GoProgram("controllers", "./controllers"), _PLANE, None),
    # Kubernetes' own rule: kubectl works with servers one minor version around it. For a look around, the one that the
    # user has and types afterwards will do: what is used there it has had for ten minor versions.
    _Tool(
        GoProgram("kubectl", f"{_KUBERNETES}/cmd/kubectl"),
        _PLANE,
        _KUBERNETES,
        version_arguments=("version", "--client"),
        skew=1,
        quick_skew=10,
    ),
    _Tool(
        GoProgram("helm", f"{_HELM.pin}/cmd/helm"),
        _HELM,
        _HELM.pin,
        version_arguments=("version", "--short"),
        skew=1,
    ),
    _Tool(
        GoProgram("helm3", f"{_HELM_3.pin}/cmd/helm", built_as="helm"),
        _HELM_3,
        _HELM_3.pin,
        version_arguments=("version", "--short"),
        skew=1,
    ),
    _Tool(GoProgram("kube-score", f"{_SCANNERS.pin}/cmd/kube-score"), _SCANNERS, None),
    _Tool(GoProgram("kubeconform", "github.com/yannh/kubeconform/cmd/kubeconform"), _SCANNERS, None),
    _Tool(GoProgram("validate-krew-manifest", f"{_KREW.pin}/cmd/validate-krew-manifest"), _KREW, None),
    # One on PATH may be of any age, and what it takes for a query is what the tests are about.
    _Tool(GoProgram("prometheus", f"{_PROMETHEUS.pin}/cmd/prometheus"), _PROMETHEUS, None),
    _Tool(GoProgram("promtool", f"{_PROMETHEUS.pin}/cmd/promtool"), _PROMETHEUS, None),
    _Tool(GoProgram("actionlint", f"{_ACTIONLINT.pin}/cmd/actionlint"), _ACTIONLINT, None),
)

_BROKER = GoProgram("broker", ".")
_BROKER_MODULE = GoModule(
    _GO / "broker",
    title="the local cloud (mochi-mqtt v2.7.9)",
    duration="about half a minute",
)

CONTROL_PLANE = ("etcd", "kube-apiserver", "controllers", "kubectl")
HELM = ("helm", "helm3")
SCANNERS = ("kube-score", "kubeconform")
PROMETHEUS = ("prometheus", "promtool")
ACTIONLINT = "actionlint"
KREW = "validate-krew-manifest"


def locate_binaries(
    names: Iterable[str], *, reporter: Reporter, cache: Path | None = None, quick: bool = False
) -> dict[str, Path]:
    """The path of each program in ``names``, which are names of the tools above, built when it is nowhere.

    A copy in KUBEBUILDER_ASSETS or on PATH counts when it says that it is of the right minor version. ``quick``: where
    the control plane has to be built, it is built without optimisation, under a key of its own, and without kubectl
    where an older one will do; an optimised build that is in the cache is taken. Raises LocalError when a build is
    needed and fails.
    """
    wanted = [tool for tool in _TOOLS if tool.program.name in set(names)]
    found = _all_installed(wanted, reporter=reporter)
    for source in dict.fromkeys(tool.source for tool in wanted):
        of_source = [tool.program for tool in wanted if tool.source == source]
        if quick and source is _PLANE:
            found = cached_binaries(_module(source), of_source, cache=cache) | found
            older = [replace(tool, skew=tool.quick_skew) for tool in wanted if tool.quick_skew]
            found = _all_installed(older, reporter=reporter) | found
            source = _QUICK  # noqa: PLW2901 - from here on
        if programs := [program for program in of_source if program.name not in found]:
            found |= build_binaries(_module(source), programs, reporter=reporter, cache=cache)
    return found


def locate_broker(reporter: Reporter) -> Path:
    """The local cloud's MQTT broker, built when it is not in the cache. Raises LocalError."""
    return build_binaries(_BROKER_MODULE, [_BROKER], reporter=reporter)[_BROKER.name]


def locate_demo(reporter: Reporter) -> dict[str, Path]:
    """The control plane's programs for a demo, quickly built, and in the cache the broker. Raises LocalError."""
    found = locate_binaries(CONTROL_PLANE, reporter=reporter, quick=True)
    locate_broker(reporter)
    return found


def _all_installed(tools: Iterable[_Tool], *, reporter: Reporter) -> dict[str, Path]:
    found = {tool.program.name: _installed(tool, reporter=reporter) for tool in tools}
    return {name: path for name, path in found.items() if path is not None}


def _installed(tool: _Tool, *, reporter: Reporter) -> Path | None:
    if tool.pin is None:
        return None
    name, pinned = tool.program.name, _minor(_pinned(tool.source, tool.pin))
    assets = os.environ.get(ASSETS_VARIABLE)
    if assets and (chosen := shutil.which(name, path=assets)):
        if _fits(found := _version_of(chosen, tool), pinned, tool.skew):
            return Path(chosen)
        reporter.say(f"passing over {name} in {ASSETS_VARIABLE}: {_text(found)}, needed is {_text(pinned)}")
    on_path = shutil.which(name)
    if on_path and _fits(_version_of(on_path, tool), pinned, tool.skew):
        return Path(on_path)
    return None


def _version_of(program: str, tool: _Tool) -> _Minor | None:
    """What a program says that its version is; None when it says nothing within ten seconds."""
    try:
        done = subprocess.run(
            [program, *tool.version_arguments], capture_output=True, text=True, timeout=10, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return _minor(done.stdout)


def _fits(found: _Minor | None, pinned: _Minor | None, skew: int) -> bool:
    if found is None or pinned is None:
        return False
    return found[0] == pinned[0] and abs(found[1] - pinned[1]) <= skew


def _minor(text: str) -> _Minor | None:
    """Major and minor of the first version in ``text``: "Kubernetes v1.37.2", "etcd Version: 3.7.0"."""
    match = re.search(r"\bv?(\d+)\.(\d+)\b", text)
    return (int(match[1]), int(match[2])) if match else None


def _text(version: _Minor | None) -> str:
    return f"{version[0]}.{version[1]}" if version else "no version"


def _module(source: _Source) -> GoModule:
    version = _pinned(source, source.pin)
    flags = "-s -w"
    if source.pin == _KUBERNETES:
        # Otherwise clients read v0.0.0 from /version, and the feature gates of that version hold.
        major, minor = version.removeprefix("v").split(".")[:2]
        values = {"gitVersion": version, "gitMajor": major, "gitMinor": minor}
        flags += "".join(f" -X {_VERSION_PACKAGE}.{name}={value}" for name, value in values.items())
    if source is _HELM_3:
        # Otherwise it takes every cluster that it is not asked to look at for 1.20.
        minor = _pinned(_PLANE, _KUBERNETES).split(".")[1]
        flags += f" -X {source.pin}/pkg/chartutil.k8sVersionMajor=1"
        flags += f" -X {source.pin}/pkg/chartutil.k8sVersionMinor={minor}"
    return GoModule(
        _GO / source.folder,
        title=f"{source.title} {version}",
        duration=source.duration,
        ldflags=flags,
        gcflags=source.gcflags,
        tags=source.tags,
    )


def _pinned(source: _Source, module: str) -> str:
    """The version of ``module`` that the source's go.mod requires: "v1.37.2"."""
    text = (_GO / source.folder / "go.mod").read_text(encoding="utf-8")
    match = re.search(rf"^\s*(?:require )?{re.escape(module)} (v\S+)", text, re.MULTILINE)
    if match is None:
        raise LookupError(module)
    return match[1]
