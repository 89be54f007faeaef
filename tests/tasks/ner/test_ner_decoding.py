import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from clism_core.tasks.ner.decoding import BioDecoder, entity_score
from clism_core.tasks.ner.labels import Labels
from clism_core.tasks.ner.tagging_schemes import invalid_transitions
from clism_core.utils.errors import InputError

PER_LOC = Labels(["PER", "LOC"])


def test_labels_are_numbered_by_type() -> None:
    assert PER_LOC.names == ("O", "B-PER", "I-PER", "B-LOC", "I-LOC")
    assert len(PER_LOC) == 5
    assert PER_LOC.numbers(["B-LOC", "I-LOC", "O"]) == [3, 4, 0]
    assert PER_LOC.tags([3, 4, 0]) == ["B-LOC", "I-LOC", "O"]


def test_a_tag_of_an_unknown_type_is_rejected() -> None:
    with pytest.raises(InputError, match=r"'B-ORG' is unknown to a model for PER, LOC; add its type to --ner\.types"):
        PER_LOC.numbers(["O", "B-ORG"])


@st.composite
def log_probabilities(draw: st.DrawFn) -> tuple[Labels, NDArray[np.float64]]:
    """Draw the labels of one to three types, and log-probabilities of none to four words."""
    labels = Labels(["PER", "LOC", "ORG"][: draw(st.integers(1, 3))])
    size = (draw(st.integers(0, 4)), len(labels))
    scores = np.random.default_rng(draw(st.integers(0, 2**32))).normal(scale=3.0, size=size)
    return labels, scores - np.log(np.exp(scores).sum(axis=1, keepdims=True))


@settings(max_examples=60, deadline=None)
@given(log_probabilities())
def test_decoding_matches_an_exhaustive_search(case: tuple[Labels, NDArray[np.float64]]) -> None:
    labels, scores = case
    every = itertools.product(range(len(labels)), repeat=len(scores))
    valid = [path for path in every if not invalid_transitions(labels.tags(path), "IOB2")]
    best = max(valid, key=lambda path: sum(scores[word, label] for word, label in enumerate(path)))
    assert BioDecoder(labels)(scores) == list(best)


def test_decoding_is_constrained_to_valid_sequences() -> None:
    probabilities = np.array(
        [
            [0.50, 0.05, 0.00, 0.45, 0.00],  # O a little more than B-LOC,
            [0.10, 0.05, 0.05, 0.10, 0.70],  # but then I-LOC by far: 0.45 * 0.7 is more than 0.5 * 0.1
        ]
    )
    with np.errstate(divide="ignore"):
        assert BioDecoder(PER_LOC)(np.log(probabilities)) == PER_LOC.numbers(["B-LOC", "I-LOC"])


def test_decoding_is_valid_even_with_zero_probabilities() -> None:
    path = BioDecoder(PER_LOC)(np.full((3, 5), -np.inf))
    assert not invalid_transitions(PER_LOC.tags(path), "IOB2")


def test_entity_score_is_the_geometric_mean_of_tag_probabilities() -> None:
    scores = np.log(np.array([[0.9, 0.1, 0.0001], [0.2, 0.5, 0.3], [0.05, 0.15, 0.8]]))
    assert entity_score(scores, [0, 1, 2], 1, 3) == pytest.approx((0.5 * 0.8) ** 0.5)
    assert entity_score(scores, [0, 1, 2], 1, 2) == pytest.approx(0.5)
