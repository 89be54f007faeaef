"""From the probabilities of a sentence's labels to its tags and entities."""

import numpy as np
from numpy.typing import NDArray

from clism_core.tasks.ner.labels import Labels

Floats = NDArray[np.floating]


class BioDecoder:
    """Finds the most probable valid tags of a sentence.

    Decoding is constrained, not repaired: of all sequences of tags that are valid BIO, in which I-X stands only after
    B-X or I-X, it returns one whose product of probabilities is greatest (Viterbi's algorithm: exact). Of equally
    probable ones it prefers labels of lower number from the last word back.
    """

    def __init__(self, labels: Labels):
        inside = np.array([name.startswith("I-") for name in labels.names])
        types = np.array([name[2:] for name in labels.names])
        self._first = np.where(inside, -np.inf, 0.0)
        self._step = np.where(inside[None, :] & (types[:, None] != types[None, :]), -np.inf, 0.0)  # [from, to]

    def __call__(self, log_probabilities_WL: Floats) -> list[int]:
        """Return the number of each word's label, from log-probabilities [W, labels] of W words."""
        if not len(log_probabilities_WL):
            return []
        best = log_probabilities_WL[0] + self._first  # [to]: of the sequences that end in each label
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
    """Return the score, 0 to 1, of the entity of the words [start, end) in the decoded `path`.

    It is the geometric mean of its tags' probabilities, so that long entities are not worse for being long.
    """
    return float(np.exp(np.mean(log_probabilities_WL[np.arange(start, end), path[start:end]])))
