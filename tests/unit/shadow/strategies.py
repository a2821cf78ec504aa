"""Generators of what stands in a shadow."""

from hypothesis import strategies as st

KEYS = st.sampled_from(["a", "b", "c", "", "x/y", "m~n", "timestamp"])
SCALARS = st.one_of(
    st.booleans(),
    st.integers(min_value=-(2**60), max_value=2**60),
    st.sampled_from([0, 1, 1.0, 2.5, "1", "", "ø", True, False]),
)
ARRAYS = st.lists(SCALARS, max_size=3)


def objects(*, max_leaves: int = 10) -> st.SearchStrategy[dict[str, object]]:
    """JSON objects without null: what can be wanted, or stored."""
    values = st.recursive(
        SCALARS | ARRAYS, lambda inner: st.dictionaries(KEYS, inner, max_size=4), max_leaves=max_leaves
    )
    return st.dictionaries(KEYS, values, max_size=4)
