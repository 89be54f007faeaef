from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pytest

from clism_core.data.alignment.combination import CombinationAligner, combine
from clism_core.data.alignment.embedding import Matrix
from clism_core.data.spans import Link

NAN = float("nan")

# Mean 0.4, standard deviation 0.3: standardised, 0.1 is -1 and 0.7 is 1.
EVEN = [[0.7, 0.1], [0.1, 0.7]]


def matrix(rows: Sequence[Sequence[float]]) -> Matrix:
    return np.array(rows, dtype=np.float64)


def test_without_votes_the_most_similar_words_are_linked() -> None:
    assert combine(set(), set(), matrix(EVEN)) == {(0, 0), (1, 1)}


def test_votes_decide_where_similarities_are_close() -> None:
    similarity = matrix([[0.50, 0.48, 0.0], [0.49, 0.50, 0.0], [0.0, 0.0, 0.1]])
    # The standard deviation is 0.231: 0.02 and 0.01 are less than the 0.139 of two votes of 0.3.
    swapped = {(0, 1), (1, 0), (2, 2)}
    assert combine(set(), set(), similarity) == {(0, 0), (1, 1), (2, 2)}
    assert combine(swapped, swapped, similarity) == swapped


def test_votes_do_not_decide_against_a_clear_similarity() -> None:
    swapped = {(0, 1), (1, 0)}
    assert combine(swapped, swapped, matrix(EVEN)) == {(0, 0), (1, 1)}


# Mean 0.19, standard deviation 0.273 (variance 0.0749): standardised, 0.8 is 2.23, and 0.7 is 1.86.
BESIDE = [[0.9, 0.0, 0.0, 0.0, 0.0], [0.7, 0.0, 0.0, 0.0, 0.0], [0.0, 0.4, 0.6, 0.4, 0.4], [0.1, 0.1, 0.1, 0.0, 0.1]]


def test_evidence_enough_adds_a_link_beside_another() -> None:
    similarity = matrix(BESIDE)
    score = (similarity[1, 0] - similarity.mean()) / similarity.std()
    assert 1.7 < score < 2.0, "a vote makes the difference"
    # (1, 0) is beside (0, 0), its source word is free, and Itermax has it in its second round (0.7 * 0.9).
    assert (1, 0) not in combine(set(), set(), similarity)
    assert (1, 0) in combine({(1, 0)}, set(), similarity)


def test_evidence_enough_does_not_add_a_link_that_is_by_itself() -> None:
    apart = matrix([BESIDE[0], BESIDE[2], BESIDE[1], BESIDE[3]])
    assert (2, 0) not in combine({(2, 0)}, {(2, 0)}, apart)


@pytest.mark.parametrize(
    ("forward", "reverse", "expected"),
    [
        pytest.param(set(), set(), {(1, 1)}, id="no-vote-no-link"),
        pytest.param({(0, 0)}, {(0, 0)}, {(0, 0), (1, 1)}, id="votes-for-it"),
    ],
)
def test_words_of_which_nothing_is_known(forward: set[Link], reverse: set[Link], expected: set[Link]) -> None:
    assert combine(forward, reverse, matrix([[NAN, NAN], [NAN, 0.9]])) == expected


def test_nothing_known_of_any_word() -> None:
    assert combine({(0, 0), (1, 1)}, {(0, 0), (1, 0)}, np.full((2, 2), NAN)) == {(0, 0)}


def test_single_words() -> None:
    assert combine(set(), set(), matrix([[0.3]])) == {(0, 0)}


def test_empty_sentence() -> None:
    assert combine(set(), set(), np.zeros((0, 2))) == set()


class TwoDirections:
    """Stands for eflomal: links what stands at the same place, both ways."""

    def both_directions(
        self, sources: Sequence[Sequence[str]], targets: Sequence[Sequence[str]]
    ) -> list[tuple[set[Link], set[Link]]]:
        same = [{(k, k) for k in range(min(len(s), len(t)))} for s, t in zip(sources, targets, strict=True)]
        return [(links, links) for links in same]


class Similarities:
    """Stands for the encoder: yields the pairs in another order, as the encoder does."""

    def similarities(
        self, sources: Sequence[Sequence[str]], targets: Sequence[Sequence[str]]
    ) -> Iterator[tuple[int, Matrix]]:
        for number in reversed(range(len(sources))):
            yield number, matrix([[0.9 if s == t else 0.1 for t in targets[number]] for s in sources[number]])


def test_each_pair_gets_the_links_of_its_own() -> None:
    eflomal: Any = TwoDirections()
    embedding: Any = Similarities()
    aligner = CombinationAligner(eflomal=eflomal, embedding=embedding)
    pairs = [(["a", "b"], ["b", "a"]), (["a"], ["a"]), (["x", "y", "z"], ["x", "z", "y"])]
    found = aligner.align([source for source, _ in pairs], [target for _, target in pairs])
    assert found == [{(0, 1), (1, 0)}, {(0, 0)}, {(0, 0), (1, 2), (2, 1)}]
