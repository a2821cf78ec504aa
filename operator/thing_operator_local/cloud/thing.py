"""A thing as a client of the cloud has it: its name, and what lets one speak for it."""

import io
import ssl
import tempfile
import zipfile
from dataclasses import dataclass, field
from pathlib import Path

from thing_operator_local.files import write_secret


@dataclass(frozen=True, slots=True)
class ThingFiles:
    """What most MQTT clients ask for: three PEM files."""

    certificate: Path
    private_key: Path
    ca: Path | None
    """None: the servers' certificates are of a CA that the system trusts."""


@dataclass(frozen=True, slots=True)
class CloudThing:
    """A thing of a batch. Certificate and key are PEM, as bytes."""

    name: str
    certificate_pem: bytes = field(repr=False)
    private_key_pem: bytes = field(repr=False)
    ca: Path | None = None
    """PEM file of what the cloud's servers are trusted by; None for what the system trusts."""

    def ssl_context(self) -> ssl.SSLContext:
        """A new client context that shows the thing's certificate and verifies the cloud's servers."""
        context = ssl.create_default_context(cafile=self.ca)
        with tempfile.NamedTemporaryFile() as pair:
            # ssl reads files only; this one is the owner's alone and removed at once.
            pair.write(self.certificate_pem + self.private_key_pem)
            pair.flush()
            context.load_cert_chain(pair.name)
        return context

    def files(self, folder: Path) -> ThingFiles:
        """Write ``cert.pem`` and ``privkey.pem`` below ``folder/<name>``, for the owner alone."""
        own = folder / self.name
        own.mkdir(parents=True, exist_ok=True, mode=0o700)
        files = ThingFiles(own / "cert.pem", own / "privkey.pem", self.ca)
        write_secret(files.certificate, self.certificate_pem)
        write_secret(files.private_key, self.private_key_pem)
        return files


def things_of_zip(data: bytes, *, ca: Path | None = None) -> dict[str, CloudThing]:
    """The things of a batch's zip by name."""
    found = {}
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        for entry in archive.namelist():
            name, _, file = entry.partition("/")
            if file == "cert.pem":
                key = archive.read(f"{name}/privkey.pem")
                found[name] = CloudThing(name, archive.read(entry), key, ca)
    return found
