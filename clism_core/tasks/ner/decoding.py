"""Constrained decoding of tags, and scores of entities."""

import numpy as np
from numpy.typing import NDArray

from clism_core.tasks.ner.labels import Labels

Floats = NDArray[np.floating]


class BioDecoder:
    """Decoder of the most probable valid tag sequence of a sentence.

    Decoding is constrained instead of repaired: among all valid BIO sequences, in which I-X follows only B-X or I-X, it
    returns one with the greatest product of probabilities (Viterbi algorithm, exact). Ties are broken towards lower
    label numbers, from the last word backwards.
    """

    def __init__(self, labels: Labels):
        inside = np.array([name.startswith("I-") for name in labels.names])
        types = np.array([name[2:] for name in labels.names])
        self._first = np.where(inside, -np.inf, 0.0)
        self._step = np.where(inside[None, :] & (types[:, None] != types[None, :]), -np.inf, 0.0)  # [from, to]

    def __call__(self, log_probabilities_WL: Floats) -> list[int]:
        """Return the label number of each word, given log-probabilities [W, labels] of W words."""
        if not len(log_probabilities_WL):
            return []
        best = log_probabilities_WL[0] + self._first  # [to]: best score of the sequences that end in each label
        previous = []
        for word in log_probabilities_WL[1:]:
            through = best[:, None] + self._step
            previous.append(through.argmax(axis=0))
            best = through.max(axis=0) + word
        path = [int(best.argmax())]
        for sources in reversed(previous):
            path.append(int(sources[path[-1]]))
        return path[::-1]


def entity_score(log_probabilities_WL: Floats, path: list[int], start: int, end: int) -> float:
    """Return the score, 0 to 1, of the entity at words [start, end) in the decoded `path`.

    The score is the geometric mean of the tag probabilities, so that long entities are not penalised.
    """
    return float(np.exp(np.mean(log_probabilities_WL[np.arange(start, end), path[start:end]])))
