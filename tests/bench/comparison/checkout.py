"""An earlier commit's operator, installed beside this one: a git worktree and a virtual environment of its own.

Both are in the user's cache folder, by commit and kind of Python, and are made once:
<cache>/bench/<commit>-<python>/{tree,venv}. The file ``complete`` there says that they are whole.
"""

import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from tests.bench.product import ROOT, Product

from thing_operator.core.errors import UserError
from thing_operator_local.environment import inherited_environment
from thing_operator_local.toolchain import Reporter
from thing_operator_local.toolchain.cache import cache_dir, file_lock

_LINES = 15


class CheckoutError(UserError):
    """A commit is not there, or its operator cannot be installed; says why."""


def resolve_commit(name: str, *, repository: Path = ROOT) -> str:
    """The full hash of a commit, branch or tag. Raises CheckoutError when the repository does not have it."""
    command = ["git", "-C", str(repository), "rev-parse", "--quiet", "--verify", f"{name}^{{commit}}"]
    try:
        found = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        raise CheckoutError(
            "git was not found: it is needed to check out the commit to compare with"
        ) from None
    if found.returncode:
        reason = f" ({found.stderr.strip()})" if found.stderr else ""
        raise CheckoutError(
            f"there is no commit {name!r} to compare with{reason}: give a hash, a branch or a tag that this "
            "repository has; a shallow clone has few of them (git fetch --unshallow)"
        )
    return found.stdout.strip()


def install_commit(commit: str, *, reporter: Reporter) -> Product:
    """The operator of that commit (a full hash), installed unless it is there already. Raises CheckoutError."""
    folder = cache_dir() / "bench" / f"{commit[:12]}-{sys.implementation.cache_tag}"
    product = Product(root=folder / "tree", python=folder / "venv" / "bin" / "python")
    complete = folder / "complete"
    with file_lock(folder.with_suffix(".lock"), taken=lambda: None):
        if not complete.is_file():
            with reporter.step(f"installing commit {commit[:12]} (about half a minute, once)"):
                _install(product, commit)
            complete.touch()
    return product


def prepare(product: Product) -> None:
    """Compile its modules, so that no first start pays for it, and see that its own code is what is imported.

    Raises CheckoutError.
    """
    _run([str(product.python), "-m", "compileall", "-q", str(product.sources)], cwd=product.root)
    question = "import thing_operator; print(thing_operator.__file__)"
    found = Path(_run([str(product.python), "-c", question], cwd=product.root).strip())
    if not found.is_relative_to(product.sources):
        raise CheckoutError(
            f"{product.python} imports thing_operator from {found}, not from {product.sources}"
        )


def is_clean(repository: Path = ROOT) -> bool:
    """Whether the checkout has no changes that no commit has."""
    return not _run(["git", "status", "--porcelain"], cwd=repository).strip()


def _install(product: Product, commit: str) -> None:
    tree, venv = product.root, product.python.parents[1]
    for folder in (tree, venv):
        shutil.rmtree(folder, ignore_errors=True)
    tree.parent.mkdir(parents=True, exist_ok=True)
    # Forgets the worktree that may have been there.
    _run(["git", "worktree", "prune"], cwd=ROOT)
    _run(["git", "worktree", "add", "--quiet", "--detach", str(tree), commit], cwd=ROOT)
    _run([sys.executable, "-m", "venv", str(venv)], cwd=tree)
    pip = [str(product.python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    _run([*pip, "--constraint", "constraints.txt", "--editable", "."], cwd=tree)


def _run(command: Sequence[str], *, cwd: Path) -> str:
    """What the command prints. Raises CheckoutError with the last lines of what it says when it fails."""
    done = subprocess.run(
        command, cwd=cwd, env=inherited_environment(), capture_output=True, text=True, check=False
    )
    if done.returncode:
        said = "\n".join((done.stderr or done.stdout).strip().splitlines()[-_LINES:])
        raise CheckoutError(f"{' '.join(command[:4])} failed in {cwd}:\n{said}")
    return done.stdout
