"""Baselines that guess the translation of a masked span without a model; a useful model exceeds both."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

Range = tuple[int, int]  # characters [start, end) of a text


def random_run_exact_match(sample: Mapping[str, Any]) -> float:
    """Return the expected number of spans that equal a random run of capitalised words or digits in the target.

    Runs are maximal; if there are none (scripts without capitals), any single word is drawn.

    Args:
        sample: a prepared sample.
    """
    words = _ranges(sample["target_words"])
    marked = [_is_marked(sample["target"][start:end]) for start, end in words]
    candidates = [(words[first][0], words[last][1]) for first, last in _runs(marked)] or words
    return sum(candidates.count(_answer(span)) / len(candidates) for span in sample["spans"])


def longest_unaligned_run_exact_match(sample: Mapping[str, Any]) -> float:
    """Return the number of spans that equal the longest run of target words without a link to a visible source word.

    Source words outside the masked spans are visible. The first of equally long runs is used.
    """
    masked = [(span["source_start"], span["source_end"]) for span in sample["spans"]]
    visible = {
        number
        for number, (start, end) in enumerate(_ranges(sample["source_words"]))
        if not any(start < right and left < end for left, right in masked)
    }
    links = (tuple(map(int, link.split("-"))) for link in sample["alignment"].split())
    explained = {target for source, target in links if source in visible}
    words = _ranges(sample["target_words"])
    runs = list(_runs([number not in explained for number in range(len(words))]))
    if not runs:
        return 0.0
    first, last = max(runs, key=lambda run: run[1] - run[0])
    guess = (words[first][0], words[last][1])
    return float(sum(_answer(span) == guess for span in sample["spans"]))


def _is_marked(word: str) -> bool:
    return word[0].isupper() or word[0].isdigit()


def _answer(span: Mapping[str, int]) -> Range:
    return span["target_start"], span["target_end"]


def _ranges(words: Iterable[Mapping[str, int]]) -> list[Range]:
    return [(word["start"], word["end"]) for word in words]


def _runs(flags: Sequence[bool]) -> Iterable[tuple[int, int]]:
    """Yield the first and the last index of every maximal run of true flags."""
    first = None
    for index, flag in enumerate([*flags, False]):
        if flag and first is None:
            first = index
        elif not flag and first is not None:
            yield first, index - 1
            first = None
