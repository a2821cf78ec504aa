"""``spec.device`` checked and made ready to run."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta

from thing_operator.api.thing import DeviceSpec, Selection, ThingSpec
from thing_operator.core.durations import parse_duration
from thing_operator.core.json_values import JsonObject
from thing_operator.device.acknowledging import acknowledgement
from thing_operator.device.conventions import check_conventions, position_text
from thing_operator.device.errors import InvalidDeviceError
from thing_operator.device.overlaps import PathIndex
from thing_operator.device.presence import CONNECTION_STATUS, PRESENCE_PATH, online_report
from thing_operator.device.signals import Signal, make_signal
from thing_operator.shadow.documents import ShadowDocument
from thing_operator.shadow.merging import merge, without_nulls
from thing_operator.shadow.pointers import Path, from_pointer, leaves, put, to_pointer
from thing_operator.shadow.validation import InvalidDocumentError, check_section


@dataclass(frozen=True, slots=True)
class DeviceProgram:
    """What a virtual thing does itself. Nothing at all: ``NO_DEVICE``."""

    facts: JsonObject = field(default_factory=dict)
    """What stands in ``reported`` while the session is up, ``tcxn.connection_status`` included."""
    presence: bool = False
    """Whether the thing says that it is online, and its last will that it is not."""
    acknowledge: Selection = Selection.NONE
    acknowledge_paths: tuple[Path, ...] = ()
    acknowledge_delay: timedelta = timedelta(0)
    signals: tuple[Signal, ...] = ()

    @property
    def simulated(self) -> frozenset[str]:
        """JSON Pointers of what is simulated."""
        return frozenset(to_pointer(signal.path) for signal in self.signals)

    def answer(self, document: ShadowDocument) -> JsonObject:
        """What to report to answer the document's delta; empty for nothing."""
        if self.acknowledge is Selection.NONE:
            return {}
        paths = self.acknowledge_paths if self.acknowledge is Selection.PATHS else None
        owned = [path for path, _ in leaves(self.facts)] + [signal.path for signal in self.signals]
        return acknowledgement(document.delta, paths=paths, owned=owned)


NO_DEVICE = DeviceProgram()


def compile_device(spec: ThingSpec, *, thing_name: str, document_limit: int) -> DeviceProgram:
    """Check ``spec.device`` and make it ready. ``document_limit`` is in bytes.

    Raises InvalidDeviceError: contradictions, MIC's conventions, and what the shadow service would refuse.
    """
    device = spec.device
    if device is None:
        return NO_DEVICE
    facts = _facts(device, document_limit=document_limit)
    signals = tuple(make_signal(each, thing_name=thing_name) for each in device.simulate or ())
    program = DeviceProgram(
        facts=facts,
        presence=bool(device.connection_status),
        acknowledge=device.acknowledge or Selection.NONE,
        acknowledge_paths=tuple(map(from_pointer, device.acknowledge_paths or ())),
        acknowledge_delay=parse_duration(device.acknowledge_delay or "0s"),
        signals=signals,
    )
    _check_simulated(program)
    _check_overlaps(program, spec)
    return program


def _facts(device: DeviceSpec, *, document_limit: int) -> JsonObject:
    written: JsonObject = device.reported or {}
    name = "spec.device.reported"
    try:
        check_section(written, name=name, document_limit=document_limit, null_keys=True)
    except InvalidDocumentError as error:
        raise InvalidDeviceError(error.message) from None
    facts = without_nulls(written)
    check_conventions(facts, name=name)
    if device.location is not None:
        if "latlng" in facts:
            raise InvalidDeviceError(
                "spec.device.reported/latlng is what spec.device.location writes: keep one"
            )
        facts = facts | {"latlng": position_text(device.location.lat, device.location.lng)}
    if device.connection_status:
        if PathIndex(path for path, _ in leaves(facts)).overlapping(PRESENCE_PATH) is not None:
            raise InvalidDeviceError(
                f"spec.device.reported{CONNECTION_STATUS} is what spec.device.connectionStatus reports: keep one"
            )
        facts = merge(facts, online_report())
    return facts


def _check_simulated(program: DeviceProgram) -> None:
    """The first value of each signal, as far as it is known beforehand, against what MIC and AWS take."""
    for signal in program.signals:
        report: JsonObject = {}
        put(report, signal.path, signal.value(0, None))
        name = "spec.device.simulate "
        try:
            check_section(report, name=name)
        except InvalidDocumentError as error:
            raise InvalidDeviceError(error.message) from None
        check_conventions(report, name=name)


def _check_overlaps(program: DeviceProgram, spec: ThingSpec) -> None:
    """A path has one author. Facts cannot overlap, being one object, and acknowledged paths may."""
    authors = {path: "spec.device.reported" for path, _ in leaves(program.facts)}
    claimed = PathIndex(authors)
    for signal in program.signals:
        _check_unclaimed("spec.device.simulate", signal.path, claimed, authors)
        authors[signal.path] = "spec.device.simulate"
        claimed.add(signal.path)
    for author, path in _acknowledged(program, spec):
        _check_unclaimed(author, path, claimed, authors)


def _check_unclaimed(author: str, path: Path, claimed: PathIndex, authors: Mapping[Path, str]) -> None:
    rival = claimed.overlapping(path)
    if rival is not None:
        raise InvalidDeviceError(
            f"{author} {to_pointer(path)} and {authors[rival]} {to_pointer(rival)} would report the same path: "
            "keep one of the two"
        )


def _acknowledged(program: DeviceProgram, spec: ThingSpec) -> list[tuple[str, Path]]:
    if program.acknowledge is Selection.PATHS:
        return [("spec.device.acknowledgePaths", path) for path in program.acknowledge_paths]
    if program.acknowledge is Selection.ALL:
        return [
            ("spec.desired with spec.device.acknowledge All", path)
            for path, value in leaves(spec.desired or {})
            if value is not None
        ]
    return []
