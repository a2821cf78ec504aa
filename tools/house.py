"""What keeps the house liveable, as figures with limits: ``make check`` holds them.

Each figure counts places (or is the worst of them) and names them when its limit is broken.
"""

import argparse
import ast
import inspect
import json
import sys
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from itertools import chain
from pathlib import Path

import grimp
from tools.citations import unresolved

ROOT = Path(__file__).resolve().parents[1]
_PROSE = ("*.md", "docs/**/*.md", "charts/**/*.md", "deploy/**/*.md")
_PROSE_WIDTH = 120
_SHORT_DOCSTRING = 22
_SHOWN = 25

_Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True, slots=True)
class Module:
    """One source file: its dotted name, its path from the root of the repository, its text and syntax tree."""

    name: str
    path: Path
    text: str
    tree: ast.Module

    @property
    def lines(self) -> int:
        """How long the file is."""
        return self.text.count("\n")


@dataclass(frozen=True)
class House:
    """A repository: ``operator/`` is its source root, ``product`` the operator's package, ``others`` beside it."""

    root: Path = ROOT
    product: str = "thing_operator"
    others: tuple[str, ...] = ("thing_operator_local",)

    @cached_property
    def packages(self) -> dict[str, list[Module]]:
        """The modules of each import package, in the order of their paths."""
        return {name: list(self._modules(name)) for name in (self.product, *self.others)}

    @property
    def modules(self) -> Iterator[Module]:
        """The modules of all packages."""
        return chain.from_iterable(self.packages.values())

    @cached_property
    def imports(self) -> grimp.ImportGraph:
        """Who imports whom in the operator's package, imports for type checkers included."""
        sys.path.insert(0, str(self.root / "operator"))
        try:
            return grimp.build_graph(self.product, cache_dir=None)
        finally:
            sys.path.pop(0)

    def _modules(self, package: str) -> Iterator[Module]:
        source = self.root / "operator"
        for path in sorted((source / package).rglob("*.py")):
            text = path.read_text(encoding="utf-8")
            name = ".".join(path.relative_to(source).with_suffix("").parts).removesuffix(".__init__")
            yield Module(name, path.relative_to(self.root), text, ast.parse(text))


@dataclass(frozen=True, slots=True)
class Figure:
    """A number, and the places that make it, the worst first."""

    value: int
    places: list[str] = field(default_factory=list)


def _count(places: list[str]) -> Figure:
    return Figure(len(places), places)


def _largest(sizes: list[tuple[int, str]]) -> Figure:
    ordered = sorted(sizes, reverse=True)
    return Figure(ordered[0][0] if ordered else 0, [f"{place}: {size}" for size, place in ordered])


def homonyms(house: House) -> Figure:
    """Names that two modules of one import package give to classes of theirs."""
    places = []
    for modules in house.packages.values():
        found = defaultdict(list)
        for module in modules:
            for node in module.tree.body:
                if isinstance(node, ast.ClassDef):
                    found[node.name].append(f"{module.path}:{node.lineno}")
        places += [f"{name}: {', '.join(each)}" for name, each in sorted(found.items()) if len(each) > 1]
    return _count(places)


def bare_reasons(house: House) -> Figure:
    """Text where a member of the enum Reason belongs, in the operator's package outside the enum's module.

    Counted are a string given to ``reason=``, ``reason = ``, a parameter ``reason`` or a key ``"reason"``, and every
    other string that equals a reason and has no other meaning in the package (a class, a member of another enum, a
    Literal).
    """
    modules = house.packages[house.product]
    homes = {module.name: words for module in modules if (words := _members(module.tree, only="Reason"))}
    if not homes:
        sys.exit("house: no enum Reason is defined in the operator's package")
    reasons = set().union(*homes.values())
    words = reasons - set().union(
        *(_other_words(module.tree) for module in modules if module.name not in homes)
    )
    return _count(
        [
            f"{module.path}:{node.lineno}: {node.value!r}"
            for module in modules
            if module.name not in homes
            for node in _texts_for_reasons(module.tree, words)
        ]
    )


def _texts_for_reasons(tree: ast.Module, words: set[object]) -> list[ast.Constant]:
    given: list[ast.expr | None] = []
    for node in ast.walk(tree):
        match node:
            case ast.keyword(arg="reason", value=value):
                given.append(value)
            case ast.Assign(targets=[ast.Name("reason") | ast.Attribute(attr="reason")], value=value):
                given.append(value)
            case ast.AnnAssign(target=ast.Name("reason") | ast.Attribute(attr="reason"), value=value):
                given.append(value)
            case ast.arguments(args=plain, defaults=defaults, kwonlyargs=named, kw_defaults=named_defaults):
                pairs = [
                    *zip(plain[::-1], defaults[::-1], strict=False),
                    *zip(named, named_defaults, strict=True),
                ]
                given += [default for argument, default in pairs if argument.arg == "reason"]
            case ast.Dict():
                given += [value for key, value in zip(node.keys, node.values, strict=True) if _is_reason(key)]
            case ast.Constant() if isinstance(node.value, str) and node.value in words:
                given.append(node)
    texts = {
        id(node): node for node in given if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }
    return sorted(texts.values(), key=lambda node: node.lineno)


def _is_reason(key: ast.expr | None) -> bool:
    return isinstance(key, ast.Constant) and key.value == "reason"


def _members(tree: ast.Module, *, only: str | None = None) -> set[object]:
    return {
        node.value.value
        for enum in tree.body
        if isinstance(enum, ast.ClassDef) and (only or enum.name) == enum.name
        if any(isinstance(base, ast.Name) and base.id.endswith("Enum") for base in enum.bases)
        for node in enum.body
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant)
    }


def _other_words(tree: ast.Module) -> set[object]:
    classes = {node.name for node in ast.walk(tree) if isinstance(node, ast.ClassDef)}
    literals = {
        each.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Subscript) and isinstance(node.value, ast.Name) and node.value.id == "Literal"
        for each in ast.walk(node.slice)
        if isinstance(each, ast.Constant)
    }
    return classes | literals | _members(tree)


def citations(house: House) -> Figure:
    """References to documents, in code, tests and docs, that lead nowhere: tools/citations.py says which."""
    places = ((found.path.relative_to(house.root), found) for found in unresolved(house.root))
    return _count([f"{path}:{found.line}: {found.text}: {found.fault}" for path, found in places])


def circles(house: House) -> Figure:
    """Groups of the operator's modules that import each other, at the top of a file or for type checkers."""
    graph = house.imports
    groups = set()
    for module in graph.modules:
        group = graph.find_upstream_modules(module) & graph.find_downstream_modules(module)
        groups.add(frozenset(group | {module}))
    return _count([" <-> ".join(sorted(group)) for group in groups if len(group) > 1])


def package_size(house: House) -> Figure:
    """Lines of Python in the largest package directly below the operator's."""
    sizes: dict[str, int] = defaultdict(int)
    for module in house.packages[house.product]:
        _, package, *inside = (*module.name.split("."), "")
        if inside or module.path.name == "__init__.py":
            sizes[f"{house.product}.{package}".rstrip(".")] += module.lines
    return _largest([(size, package) for package, size in sizes.items()])


def fan_out(house: House) -> Figure:
    """Modules of the operator's package that its widest module imports."""
    graph = house.imports
    return _largest([(len(graph.find_modules_directly_imported_by(name)), name) for name in graph.modules])


def file_size(house: House) -> Figure:
    """Lines of the largest source file."""
    return _largest([(module.lines, str(module.path)) for module in house.modules])


def function_length(house: House) -> Figure:
    """Lines that nine of ten functions do not exceed, from ``def`` to their end."""
    sizes = sorted(_functions(house), reverse=True)
    value = sizes[len(sizes) // 10][0] if sizes else 0
    return Figure(value, [f"{place}: {size}" for size, place in sizes])


def longest_function(house: House) -> Figure:
    """Lines of the longest function, from ``def`` to its end."""
    return _largest(list(_functions(house)))


def _functions(house: House) -> Iterator[tuple[int, str]]:
    for module in house.modules:
        for node in ast.walk(module.tree):
            if isinstance(node, _Function):
                size = (node.end_lineno or node.lineno) - node.lineno + 1
                yield size, f"{module.path}:{node.lineno} {node.name}"


def prose_width(house: House) -> Figure:
    """Lines of Markdown over 120 characters, tables and blocks of code apart."""
    places = []
    for path in sorted({path for pattern in _PROSE for path in house.root.glob(pattern)}):
        in_code = False
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
            is_fence = line.lstrip().startswith("```")
            in_code ^= is_fence
            is_prose = not (in_code or is_fence or line.lstrip().startswith("|"))
            if is_prose and len(line) > _PROSE_WIDTH:
                places.append(f"{path.relative_to(house.root)}:{number}: {len(line)}")
    return _count(places)


def short_docstrings(house: House) -> Figure:
    """Docstrings of public modules, classes, functions and methods with fewer than 22 characters."""
    return _count(
        [
            f"{module.path}:{getattr(node, 'lineno', 1)}: {text}"
            for module in house.modules
            for node in _public(module.tree)
            if (text := ast.get_docstring(node)) is not None and len(text) < _SHORT_DOCSTRING
        ]
    )


def _public(node: ast.Module | ast.ClassDef) -> Iterator[ast.Module | ast.ClassDef | _Function]:
    yield node
    for child in node.body:
        if isinstance(child, ast.ClassDef) and not child.name.startswith("_"):
            yield from _public(child)
        elif isinstance(child, _Function) and not child.name.startswith("_"):
            yield child


def backoffs(house: House) -> Figure:
    """Formulas of growing waits in the operator: a number to a power that varies, or a doubling inside ``min()``."""
    return _count(
        [
            f"{module.path}:{line}"
            for module in house.packages[house.product]
            for line in sorted({node.lineno for node in ast.walk(module.tree) for node in _growing(node)})
        ]
    )


def _growing(node: ast.AST) -> Iterator[ast.BinOp]:
    match node:
        case ast.BinOp(left=ast.Constant(), op=ast.Pow(), right=exponent):
            if not isinstance(exponent, ast.Constant):
                yield node
        case ast.Call(func=ast.Name("min"), args=arguments):
            for each in arguments:
                match each:
                    case ast.BinOp(op=ast.Mult(), right=ast.Constant(value=2)):
                        yield each
                    case ast.BinOp(op=ast.Mult(), left=ast.Constant(value=2)):
                        yield each


@dataclass(frozen=True, slots=True)
class Limit:
    """One figure of the report, and what it may be at most."""

    title: str
    figure: Callable[[House], Figure]
    at_most: int


LIMITS = (
    Limit("class names with two meanings", homonyms, at_most=0),
    Limit("bare reason strings outside the enum", bare_reasons, at_most=0),
    Limit("citations that do not resolve", citations, at_most=0),
    Limit("import circles", circles, at_most=0),
    Limit("largest package of the operator, lines", package_size, at_most=3000),
    Limit("widest module, imports of ours", fan_out, at_most=14),
    Limit("largest file, lines", file_size, at_most=400),
    Limit("function length p90, lines", function_length, at_most=20),
    Limit("longest function, lines", longest_function, at_most=50),
    Limit("lines of prose over 120 characters", prose_width, at_most=0),
    Limit("public docstrings under 22 characters", short_docstrings, at_most=20),
    Limit("backoff formulas", backoffs, at_most=1),
)


def main(options: list[str] | None = None) -> int:
    """Print the report; 1 when a limit is broken, unless only the report was asked for, and 0 otherwise."""
    arguments = _parser().parse_args(options)
    house = House()
    measured = [(limit, limit.figure(house)) for limit in LIMITS]
    broken = [(limit, figure) for limit, figure in measured if figure.value > limit.at_most]
    if arguments.json:
        print(json.dumps([_as_json(*each) for each in measured], indent=2))
    else:
        for limit, figure in measured:
            print(f"{limit.title:<40} {figure.value:>6}   at most {limit.at_most}")
    for limit, figure in broken:
        print(f"\n{limit.title}: {figure.value}, but at most {limit.at_most}:", file=sys.stderr)
        print(*(f"  {place}" for place in figure.places[:_SHOWN]), sep="\n", file=sys.stderr)
    return 1 if broken and not arguments.report else 0


def _as_json(limit: Limit, figure: Figure) -> dict[str, object]:
    return {"title": limit.title, "value": figure.value, "at_most": limit.at_most, "places": figure.places}


def _parser() -> argparse.ArgumentParser:
    counted = "\n\n".join(f"{limit.title}: {inspect.getdoc(limit.figure)}" for limit in LIMITS)
    parser = argparse.ArgumentParser(
        prog="house",
        description=__doc__,
        epilog=counted,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--report", action="store_true", help="print, whatever the limits say")
    parser.add_argument("--json", action="store_true", help="the report as JSON, with all places")
    return parser


if __name__ == "__main__":
    sys.exit(main())
