"""An operator as it is installed on this machine: this checkout's, or that of an earlier commit."""

import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True, slots=True)
class Product:
    """The tree of a commit and the interpreter of the virtual environment that the tree is installed in."""

    root: Path
    python: Path

    @property
    def crds(self) -> Path:
        """The folder with its custom resource definitions."""
        return self.root / "crds"

    @property
    def sources(self) -> Path:
        """The folder that its packages are imported from."""
        return self.root / "operator"

    def command(self, namespace: str) -> list[str]:
        """The command line that runs it for the Things of a namespace, or of several with commas between them."""
        chosen = [part for each in namespace.split(",") for part in ("--namespace", each)]
        return [str(self.python), "-m", "thing_operator", "run", *chosen]


# Not resolved: a virtual environment's interpreter is a link, and found by the link's place.
CHECKOUT = Product(root=ROOT, python=Path(sys.executable))
"""The operator of this checkout."""
