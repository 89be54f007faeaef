from collections.abc import Iterator, Sequence

import numpy as np
import pytest

from clism_core.preparation.alignment import combination
from clism_core.preparation.alignment.combination import CombinationAligner, candidates, combine
from clism_core.preparation.alignment.config import AlignerConfig
from clism_core.preparation.alignment.embedding import Mask, Matrix, itermax, mask_to_links
from clism_core.preparation.spans import Link

NAN = float("nan")

# Mean 0.4, standard deviation 0.3: standardised, 0.1 is -1 and 0.7 is 1.
EVEN = [[0.7, 0.1], [0.1, 0.7]]


def matrix(rows: Sequence[Sequence[float]]) -> Matrix:
    return np.array(rows, dtype=np.float64)


def test_without_votes_the_most_similar_words_are_linked() -> None:
    assert combine(set(), set(), matrix(EVEN)) == {(0, 0), (1, 1)}


def test_votes_decide_between_close_similarities() -> None:
    similarity = matrix([[0.50, 0.48, 0.0], [0.49, 0.50, 0.0], [0.0, 0.0, 0.1]])
    # The standard deviation is 0.237: 0.02 and 0.01 are less than the 0.142 of two votes of 0.3.
    swapped = {(0, 1), (1, 0), (2, 2)}
    assert combine(set(), set(), similarity) == {(0, 0), (1, 1), (2, 2)}
    assert combine(swapped, swapped, similarity) == swapped


def test_votes_do_not_override_a_clear_similarity() -> None:
    swapped = {(0, 1), (1, 0)}
    assert combine(swapped, swapped, matrix(EVEN)) == {(0, 0), (1, 1)}


def mask(rows: Sequence[Sequence[int]]) -> Mask:
    return np.array(rows, dtype=np.bool_)


# The best targets are 0, 1, 1; the best sources 0, 1, 1. Argmax links (0, 0) and (1, 1). Round 2 of Itermax has (1, 2)
# at 0.6 * 0.9, (2, 1) at 0.7 * 0.9 and (2, 2) at 0.2: it adds the first two.
LEFT_OVER = [[0.9, 0.0, 0.1], [0.0, 0.9, 0.6], [0.1, 0.7, 0.2]]
NONE = [[0, 0, 0], [0, 0, 0], [0, 0, 0]]


@pytest.mark.parametrize(
    ("forward", "reverse", "expected"),
    [
        # Source 1 is the best one for target 2; source 2 is not the best one for target 1, and needs a vote.
        pytest.param(NONE, NONE, {(0, 0), (1, 1), (1, 2)}, id="target-words-have-their-best"),
        pytest.param([[0, 0, 0], [0, 0, 0], [0, 1, 0]], NONE, {(0, 0), (1, 1), (1, 2), (2, 1)}, id="forward-has-it"),
        pytest.param(NONE, [[0, 0, 0], [0, 0, 0], [0, 1, 0]], {(0, 0), (1, 1), (1, 2), (2, 1)}, id="reverse-has-it"),
        pytest.param([[0, 0, 0], [0, 0, 0], [1, 0, 0]], NONE, {(0, 0), (1, 1), (1, 2)}, id="one-vote-of-four"),
        pytest.param(
            [[0, 0, 0], [0, 0, 0], [1, 0, 0]], [[0, 0, 0], [0, 0, 0], [1, 0, 0]], {(0, 0), (1, 1), (1, 2)}, id="two"
        ),
    ],
)
def test_candidates(forward: list[list[int]], reverse: list[list[int]], expected: set[Link]) -> None:
    assert mask_to_links(candidates(mask(forward), mask(reverse), matrix(LEFT_OVER))) == expected


def test_three_votes_of_four_make_a_candidate() -> None:
    # Source 0 is the best one for target 1, but in round 2 of Itermax (0, 1) has 0.65 * 0.9 against 0.6 for (1, 1).
    similarity = matrix([[0.9, 0.65], [0.6, 0.6]])
    assert mask_to_links(itermax(similarity)) == {(0, 0), (1, 1)}
    voted = mask([[0, 1], [0, 0]])
    assert (0, 1) not in mask_to_links(candidates(voted, mask([[0, 0], [0, 0]]), similarity))
    assert (0, 1) in mask_to_links(candidates(voted, voted, similarity))


@pytest.mark.parametrize(
    ("similarity", "voted", "expected"),
    [
        pytest.param([[0.9, 0.0], [0.0, 0.9], [0.6, 0.1]], (2, 0), {(0, 0), (1, 1), (2, 0)}, id="diagonal-to-a-link"),
        pytest.param([[0.9, 0.0], [0.0, 0.9], [0.0, 0.3], [0.6, 0.1]], (3, 0), {(0, 0), (1, 1)}, id="beside-none"),
    ],
)
def test_candidates_adjacent_to_links_are_added(
    similarity: list[list[float]], voted: Link, expected: set[Link]
) -> None:
    assert combine({voted}, {voted}, matrix(similarity)) == expected


@pytest.mark.parametrize(
    ("forward", "reverse", "expected"),
    [
        pytest.param(set(), set(), {(1, 1)}, id="no-vote-no-link"),
        pytest.param({(0, 0)}, {(0, 0)}, {(0, 0), (1, 1)}, id="votes-for-it"),
    ],
)
def test_word_without_similarities_is_linked_by_votes(
    forward: set[Link], reverse: set[Link], expected: set[Link]
) -> None:
    assert combine(forward, reverse, matrix([[NAN, NAN], [NAN, 0.9]])) == expected


def test_without_similarities_the_directions_are_intersected() -> None:
    assert combine({(0, 0), (1, 1)}, {(0, 0), (1, 0)}, np.full((2, 2), NAN)) == {(0, 0)}


def test_single_words() -> None:
    assert combine(set(), set(), matrix([[0.3]])) == {(0, 0)}


def test_empty_sentence() -> None:
    assert combine(set(), set(), np.zeros((0, 2))) == set()


class TwoDirections:
    """Replacement for eflomal that links the words at equal positions in both directions."""

    def both_directions(
        self, sources: Sequence[Sequence[str]], targets: Sequence[Sequence[str]]
    ) -> list[tuple[set[Link], set[Link]]]:
        same = [{(k, k) for k in range(min(len(s), len(t)))} for s, t in zip(sources, targets, strict=True)]
        return [(links, links) for links in same]


class Similarities:
    """Replacement for the encoder that yields the pairs in another order, as the encoder does."""

    def similarities(
        self, sources: Sequence[Sequence[str]], targets: Sequence[Sequence[str]]
    ) -> Iterator[tuple[int, Matrix]]:
        for number in reversed(range(len(sources))):
            yield number, matrix([[0.9 if s == t else 0.1 for t in targets[number]] for s in sources[number]])


def test_similarities_are_combined_with_the_directions_of_the_same_pair(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(combination, "EflomalAligner", lambda config, learnt: TwoDirections())  # noqa: ARG005
    monkeypatch.setattr(combination, "EmbeddingAligner", lambda config: Similarities())  # noqa: ARG005
    aligner = CombinationAligner(AlignerConfig())
    pairs = [(["a", "b"], ["b", "a"]), (["a"], ["a"]), (["x", "y", "z"], ["x", "z", "y"])]
    found = aligner.align([source for source, _ in pairs], [target for _, target in pairs])
    assert found == [{(0, 1), (1, 0)}, {(0, 0)}, {(0, 0), (1, 2), (2, 1)}]
