"""The part of Elasticsearch's query language that MIC's searches take here. Pure.

MIC hands a query on to Elasticsearch 5 (docs/background/mic.md#searches). Here are the clauses with which things and
observations are found; what is not here is refused by name, never ignored.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cmp_to_key
from operator import ge, gt, le, lt
from typing import Any, Final, Self

Json = dict[str, Any]

DEFAULT_SIZE: Final = 10
"""Hits of an answer where ``size`` is not given; Elasticsearch's own."""
MAX_WINDOW: Final = 10_000
"""What ``from`` and ``size`` may reach together (Elasticsearch's ``max_result_window``)."""

_BODY: Final = frozenset({"query", "from", "size", "sort", "_source", "search_after", "track_scores"})


class SearchError(Exception):
    """A query that is wrong or beyond what is here; the message says what and where."""


@dataclass(frozen=True, slots=True)
class Document:
    """What is searched: its index, its mapping type, its id and its content."""

    index: str
    kind: str
    id: str
    source: Json

    def values(self, field: str) -> list[Any]:
        """All values of a field such as ``state.temperature``; lists on the way are unfolded."""
        if field == "_id":
            return [self.id]
        found: list[Any] = [self.source]
        for name in field.split("."):
            found = [each[name] for each in _unfolded(found) if isinstance(each, dict) and name in each]
        return [each for each in _unfolded(found) if each is not None]


Predicate = Callable[[Document], bool]


@dataclass(frozen=True, slots=True)
class _Order:
    field: str
    descending: bool

    def key(self, document: Document) -> Any:
        return next(iter(document.values(self.field)), None)


@dataclass(frozen=True, slots=True)
class Search:
    """A request's body, read: which documents match, in which order, and which part of them is wanted."""

    matches: Predicate
    start: int
    size: int
    orders: tuple[_Order, ...]
    after: list[Any] | None
    fields: tuple[str, ...] | None
    """Paths in a document's content that are wanted; None for all of it."""

    @classmethod
    def parse(cls, body: Any) -> Self:
        """Read Elasticsearch's search body. Raises SearchError."""
        given = _object(body, "query")
        for key in given:
            if key not in _BODY:
                raise SearchError(f"the local cloud has no {key!r} in a search")
        start, size = _count(given, "from", 0), _count(given, "size", DEFAULT_SIZE)
        if start + size > MAX_WINDOW:
            raise SearchError(
                f"from + size is {start + size}, more than {MAX_WINDOW}: sort and use search_after to read further"
            )
        orders = tuple(_orders(given.get("sort", [])))
        after = given.get("search_after")
        if after is not None and (not isinstance(after, list) or not after or len(after) != len(orders)):
            raise SearchError("search_after has to be a list with one value for each field of sort")
        return cls(
            matches=_clause(given.get("query", {"match_all": {}}), filtering=False),
            start=start,
            size=size,
            orders=orders,
            after=after,
            fields=_wanted(given.get("_source", True)),
        )

    def answer(self, documents: Iterable[Document]) -> Json:
        """Elasticsearch's answer. Without ``sort``, hits are in the order of their ids, and none has a score."""
        found = sorted(filter(self.matches, documents), key=lambda each: each.id)
        found.sort(key=cmp_to_key(lambda one, other: self._compare(self._keys(one), self._keys(other))))
        total = len(found)
        if self.after is not None:
            after = self.after
            found = [each for each in found if self._compare(self._keys(each), after) > 0]
        hits = [self._hit(each) for each in found[self.start : self.start + self.size]]
        return {
            "took": 0,
            "timed_out": False,
            "_shards": {"total": 1, "successful": 1, "failed": 0},
            "hits": {"total": total, "max_score": None, "hits": hits},
        }

    def _hit(self, document: Document) -> Json:
        hit: Json = {"_index": document.index, "_type": document.kind, "_id": document.id, "_score": None}
        if self.fields is None:
            hit["_source"] = document.source
        elif self.fields:
            hit["_source"] = _selected(document.source, self.fields)
        if self.orders:
            hit["sort"] = self._keys(document)
        return hit

    def _keys(self, document: Document) -> list[Any]:
        return [order.key(document) for order in self.orders]

    def _compare(self, one: list[Any], other: list[Any]) -> int:
        """Field by field; a document without the field comes last, whichever way it is sorted."""
        for order, left, right in zip(self.orders, one, other, strict=True):
            if left is None or right is None:
                result = (left is None) - (right is None)
            else:
                first, second = _rank(left), _rank(right)
                result = (first > second) - (first < second)
                result = -result if order.descending else result
            if result:
                return result
        return 0


def bounds_time(query: Any) -> bool:
    """Whether somewhere in a search there is a range of ``timestamp`` with ``gte``, which MIC asks for."""
    if isinstance(query, list):
        return any(map(bounds_time, query))
    if not isinstance(query, dict):
        return False
    span = query.get("range")
    times = span.get("timestamp") if isinstance(span, dict) else None
    return (isinstance(times, dict) and "gte" in times) or any(map(bounds_time, query.values()))


# --- clauses


def _clause(clause: Any, *, filtering: bool) -> Predicate:
    """One query clause. ``filtering``: where Elasticsearch asks for yes or no only, one ``should`` has to match."""
    ((name, body),) = _single(clause, "a query clause").items()
    if name == "bool":
        return _bool(_object(body, name), filtering=filtering)
    if name == "constant_score":
        return _clause(_object(body, name).get("filter"), filtering=True)
    if name not in _LEAVES:
        known = ", ".join(sorted([*_LEAVES, "bool", "constant_score"]))
        raise SearchError(f"the local cloud has no query {name!r}: it has {known}")
    return _LEAVES[name](_object(body, name))


def _bool(body: Json, *, filtering: bool) -> Predicate:
    unknown = body.keys() - {"must", "filter", "should", "must_not", "minimum_should_match", "boost"}
    if unknown:
        raise SearchError(f"bool has no {min(unknown)!r}")

    def clauses(name: str, *, filtering: bool) -> list[Predicate]:
        given = body.get(name, [])
        listed = given if isinstance(given, list) else [given]
        return [_clause(each, filtering=filtering) for each in listed]

    needed = clauses("must", filtering=filtering) + clauses("filter", filtering=True)
    should = clauses("should", filtering=filtering)
    banned = clauses("must_not", filtering=True)
    default = int(bool(should) and (filtering or not needed))
    least = _count(body, "minimum_should_match", default)
    return lambda each: (
        all(wanted(each) for wanted in needed)
        and sum(wanted(each) for wanted in should) >= least
        and not any(wanted(each) for wanted in banned)
    )


def _term(body: Json) -> Predicate:
    field, value = _field_and_value(body, "term")
    wanted = _text(value)
    return lambda each: any(_text(found) == wanted for found in each.values(field))


def _terms(body: Json) -> Predicate:
    ((field, values),) = _single({k: v for k, v in body.items() if k != "boost"}, "terms").items()
    if not isinstance(values, list):
        raise SearchError(f"terms of {field!r} has to be a list")
    wanted = {_text(each) for each in values}
    return lambda each: any(_text(found) in wanted for found in each.values(field))


def _prefix(body: Json) -> Predicate:
    field, value = _field_and_value(body, "prefix")
    start = _text(value)
    return lambda each: any(_text(found).startswith(start) for found in each.values(field))


def _exists(body: Json) -> Predicate:
    field = body.get("field")
    if not isinstance(field, str):
        raise SearchError("exists has to name a field")
    return lambda each: bool(each.values(field))


def _ids(body: Json) -> Predicate:
    values = body.get("values")
    if not isinstance(values, list):
        raise SearchError("ids has to have a list of values")
    wanted = set(map(_text, values))
    return lambda each: each.id in wanted


def _range(body: Json) -> Predicate:
    ((field, bounds),) = _single(body, "range").items()
    tests = []
    for name, bound in _object(bounds, f"range of {field!r}").items():
        if name == "boost":
            continue
        if name not in _BOUNDS or isinstance(bound, (dict, list)) or bound is None:
            raise SearchError(
                f"range of {field!r} has {name!r}: the local cloud takes gt, gte, lt and lte, of numbers or texts"
            )
        tests.append((_BOUNDS[name], _rank(bound)))

    def within(value: Any) -> bool:
        rank = _rank(value)
        return all(rank[0] == bound[0] and test(rank, bound) for test, bound in tests)

    return lambda each: any(map(within, each.values(field)))


_BOUNDS: Final[dict[str, Callable[[Any, Any], bool]]] = {"gt": gt, "gte": ge, "lt": lt, "lte": le}

_LEAVES: Final[dict[str, Callable[[Json], Predicate]]] = {
    "match_all": lambda _body: lambda _document: True,
    "term": _term,
    "terms": _terms,
    "prefix": _prefix,
    "exists": _exists,
    "ids": _ids,
    "range": _range,
}


# --- the parts of a body


def _orders(sort: Any) -> Iterator[_Order]:
    for each in sort if isinstance(sort, list) else [sort]:
        if isinstance(each, str):
            yield _Order(each, descending=False)
            continue
        ((field, how),) = _single(each, "sort").items()
        direction = how.get("order", "asc") if isinstance(how, dict) else how
        if direction not in {"asc", "desc"}:
            raise SearchError(f"sort by {field!r} is neither asc nor desc")
        yield _Order(field, descending=direction == "desc")


def _wanted(source: Any) -> tuple[str, ...] | None:
    if isinstance(source, bool):
        return None if source else ()
    paths = [source] if isinstance(source, str) else source
    if not isinstance(paths, list) or not all(isinstance(path, str) for path in paths):
        raise SearchError("_source has to be true, false, a path or a list of paths")
    return tuple(path.removesuffix(".*") for path in paths)


def _selected(source: Json, paths: Iterable[str]) -> Json:
    """Only these paths of an object, each with all below it."""
    below: dict[str, list[str]] = {}
    for path in paths:
        name, _, rest = path.partition(".")
        below.setdefault(name, []).append(rest)
    chosen: Json = {}
    for name, rests in below.items():
        if name in source and "" in rests:
            chosen[name] = source[name]
        elif isinstance(source.get(name), dict) and (part := _selected(source[name], rests)):
            chosen[name] = part
    return chosen


def _field_and_value(body: Json, name: str) -> tuple[str, Any]:
    ((field, value),) = _single(body, name).items()
    if isinstance(value, dict):
        value = value.get("value")
    if value is None or isinstance(value, (dict, list)):
        raise SearchError(f"{name} of {field!r} has no single value")
    return field, value


def _single(body: Any, name: str) -> Json:
    if len(found := _object(body, name)) != 1:
        raise SearchError(f"{name} has to be an object with one member")
    return found


def _object(body: Any, name: str) -> Json:
    if not isinstance(body, dict):
        raise SearchError(f"{name} has to be an object")
    return body


def _count(body: Json, key: str, default: int) -> int:
    value = body.get(key, default)
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise SearchError(f"{key} has to be a whole number, 0 or more")
    return value


def _unfolded(values: Iterable[Any]) -> Iterator[Any]:
    for each in values:
        if isinstance(each, list):
            yield from _unfolded(each)
        else:
            yield each


def _text(value: Any) -> str:
    """As an exact field is indexed: 191 and "191" are one value."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(int(value) if isinstance(value, float) and value.is_integer() else value)


def _rank(value: Any) -> tuple[int, Any]:
    """Numbers before texts: two values are comparable, whatever they are."""
    return (0, value) if isinstance(value, (int, float)) else (1, _text(value))
