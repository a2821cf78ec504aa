"""The thing's own side: what ``spec.device`` makes a virtual thing report, acknowledge and simulate. Pure.

Source: docs/tasks/devices.md; the conventions of MIC are docs/background/mic.md#conventions.
"""

from thing_operator.device.acknowledgements import Acknowledgements
from thing_operator.device.buffer import Sample, SampleBuffer
from thing_operator.device.errors import InvalidDeviceError
from thing_operator.device.presence import CONNECTION_STATUS, PRESENCE_PATH, offline_report, online_report
from thing_operator.device.program import NO_DEVICE, DeviceProgram, compile_device
from thing_operator.device.ticking import TickSchedule, align_tick

__all__ = [
    "CONNECTION_STATUS",
    "NO_DEVICE",
    "PRESENCE_PATH",
    "Acknowledgements",
    "DeviceProgram",
    "InvalidDeviceError",
    "Sample",
    "SampleBuffer",
    "TickSchedule",
    "align_tick",
    "compile_device",
    "offline_report",
    "online_report",
]
