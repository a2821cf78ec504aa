"""What lies where in a cloud's folder."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from thing_operator_local.files import make_folder, write_secret


@dataclass(frozen=True, slots=True)
class CloudLayout:
    """The paths below one folder."""

    root: Path

    @property
    def info(self) -> Path:
        """Where everything is reached; there while the cloud runs."""
        return self.root / "cloud.json"

    @property
    def control(self) -> Path:
        """Port and token of the door for trouble on demand; there while the cloud runs."""
        return self.root / "control.json"

    @property
    def lock(self) -> Path:
        """Held while a cloud runs in the folder."""
        return self.root / "cloud.lock"

    @property
    def ports(self) -> Path:
        """The ports of the last run: taken again when they are free."""
        return self.root / "ports.json"

    @property
    def database(self) -> Path:
        return self.root / "cloud.sqlite"

    @property
    def observations(self) -> Path:
        """What was reported when, one JSON object a line."""
        return self.root / "observations.jsonl"

    @property
    def identities(self) -> Path:
        """For the broker: whose certificate is which."""
        return self.root / "broker" / "identities.json"

    @property
    def broker_config(self) -> Path:
        return self.root / "broker" / "broker.json"

    @property
    def broker_log(self) -> Path:
        return self.root / "broker.log"

    @property
    def session_log(self) -> Path:
        """What became of every MQTT session, one JSON object a line."""
        return self.root / "sessions.jsonl"

    @property
    def pki(self) -> Path:
        return self.root / "pki"

    @property
    def ca(self) -> Path:
        """The CA (PEM) that clients have to trust."""
        return self.pki / "ca.crt"

    def make(self) -> None:
        """Make the folders, for the owner alone: private keys lie here."""
        for folder in (self.root, self.pki, self.identities.parent):
            make_folder(folder)
            folder.chmod(0o700)


def write_json(path: Path, content: Any) -> None:
    """As write_secret, a JSON document."""
    write_secret(path, json.dumps(content, indent=2).encode() + b"\n")
