from itertools import pairwise

import pytest
from any_text import ANY_TEXT, boundaries_of_clusters
from hypothesis import given, settings

from clism_core.utils.graphemes import widen_to_clusters


@pytest.mark.parametrize(
    ("text", "given_range", "expected"),
    [
        pytest.param("cafe\u0301 a", (0, 4), (0, 5), id="accent"),
        pytest.param("cafe\u0301 a", (4, 5), (3, 5), id="accent-alone"),
        pytest.param("cafe\u0301 a", (5, 7), (5, 7), id="unchanged"),
        pytest.param("ที่ a", (1, 2), (0, 3), id="thai"),
        pytest.param("\u1112\u1161\u11abx", (1, 2), (0, 3), id="hangul"),
        pytest.param("👩‍🔬x", (0, 1), (0, 3), id="emoji"),
        pytest.param("🇻🇳🇩🇪", (1, 3), (0, 4), id="flags"),
        pytest.param("\u06001", (1, 2), (0, 2), id="prepended"),
        pytest.param("e\u0301", (1, 1), (1, 1), id="empty"),
        pytest.param("Paris", (1, 3), (1, 3), id="single-code-points"),
    ],
)
def test_widened_range(text: str, given_range: tuple[int, int], expected: tuple[int, int]) -> None:
    assert widen_to_clusters(text, [given_range]) == [expected]


@given(ANY_TEXT)
@settings(max_examples=200, deadline=None, derandomize=True)
def test_single_code_points_become_their_clusters(text: str) -> None:
    text = text.replace("\r", "")  # line ends are no characters
    clusters = list(pairwise(sorted(boundaries_of_clusters(text))))
    points = [(place, place + 1) for place in range(len(text))]
    assert sorted(set(widen_to_clusters(text, points))) == clusters
