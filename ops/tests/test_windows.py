"""Which parts of a window are not covered."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from meltano_ops.windows import uncovered

_interval = st.tuples(st.integers(0, 60), st.integers(0, 60)).map(lambda pair: (min(pair), max(pair)))


@given(_interval, st.lists(_interval, max_size=6))
def test_uncovered_is_what_set_arithmetic_says(window: tuple[int, int], verified: list[tuple[int, int]]) -> None:
    start, end = window
    expected = set(range(start, end)) - {point for low, high in verified for point in range(low, high)}
    gaps = uncovered(start, end, verified)
    assert {point for low, high in gaps for point in range(low, high)} == expected
    assert gaps == sorted(gaps)
    assert all(low < high for low, high in gaps)
