"""The operator's settings."""

from thing_operator.config.listening import BridgeSettings
from thing_operator.config.loading import SettingsError, load_settings, read_ca_file, read_proxy
from thing_operator.config.settings import (
    BatchSettings,
    DeviceSettings,
    EndpointSettings,
    PacingSettings,
    SessionSettings,
    Settings,
    ShadowSettings,
)

__all__ = [
    "BatchSettings",
    "BridgeSettings",
    "DeviceSettings",
    "EndpointSettings",
    "PacingSettings",
    "SessionSettings",
    "Settings",
    "SettingsError",
    "ShadowSettings",
    "load_settings",
    "read_ca_file",
    "read_proxy",
]
