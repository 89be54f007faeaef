"""Answer projection: from spans of the source to the target words that translate them (appendix B of the paper)."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from collections.abc import Set as AbstractSet
from typing import NamedTuple

from clism_core.utils.words import Word

Link = tuple[int, int]
"""Indices of a source word and of the target word to which it is aligned."""

NOUN_CHUNK, NGRAM = "NOUN_CHUNK", "NGRAM"
"""Labels of candidates that are not entities. Entities take precedence over noun chunks, and these over n-grams."""


class Candidate(NamedTuple):
    """Source span that may become a question: code points, end exclusive, and its entity type."""

    start: int
    end: int
    label: str


class Projection(NamedTuple):
    """Spans that have an answer, and the number of those that were left out because theirs would be partial."""

    spans: list["AlignedSpan"]
    partial: int


class AlignedSpan(NamedTuple):
    """Source span with its answer in the target: code points, end exclusive."""

    source_start: int
    source_end: int
    target_start: int
    target_end: int
    label: str


def project(
    candidates: Sequence[Candidate],
    *,
    source_words: Sequence[Word],
    target_words: Sequence[Word],
    target: str,
    links: Iterable[Link],
    max_answer_words: int,
    content_words: AbstractSet[int] = frozenset(),
) -> Projection:
    """Return the candidates that have an answer, in source order, without overlaps in the source or the target.

    If candidates or their answers overlap, entities take precedence over noun chunks and these over n-grams, then
    longer spans over shorter ones, then left ones over right ones. `content_words` are indices of source words: a
    candidate with one that has no link is left out, because its answer would be partial.
    """
    sources_of: dict[int, set[int]] = defaultdict(set)
    targets_of: dict[int, set[int]] = defaultdict(set)
    for i, j in links:
        targets_of[i].add(j)
        sources_of[j].add(i)

    spans: list[AlignedSpan] = []
    partial = 0
    for candidate in sorted(candidates, key=_priority):
        span_words = _words_within(candidate, source_words)
        answer = consistent_answer(span_words, targets_of=targets_of, sources_of=sources_of)
        if not answer or len(answer) > max_answer_words:
            continue
        start, end = target_words[answer[0]][0], target_words[answer[-1]][1]
        span = AlignedSpan(candidate.start, candidate.end, start, end, candidate.label)
        if not any(map(str.isalnum, target[start:end])) or any(_overlap(span, kept) for kept in spans):
            continue
        if any(i in content_words and i not in targets_of for i in span_words):
            partial += 1
        else:
            spans.append(span)
    return Projection(sorted(spans), partial)


def consistent_answer(span: range, *, targets_of: dict[int, set[int]], sources_of: dict[int, set[int]]) -> range:
    """Return the target words aligned to the source words `span`; an empty range if they do not form an answer.

    They must be contiguous, and none of them may be aligned to a word outside `span`. This is the consistency of phrase
    pairs in Koehn, Och and Marcu (2003), without unaligned words at the boundaries.
    """
    aligned = {j for i in span for j in targets_of.get(i, ())}
    if not aligned or max(aligned) - min(aligned) + 1 != len(aligned):
        return range(0)
    if any(i not in span for j in aligned for i in sources_of[j]):
        return range(0)
    return range(min(aligned), max(aligned) + 1)


def _priority(candidate: Candidate) -> tuple[int, int, int]:
    rank = {NOUN_CHUNK: 1, NGRAM: 2}.get(candidate.label, 0)
    return rank, candidate.start - candidate.end, candidate.start


def _words_within(candidate: Candidate, words: Sequence[Word]) -> range:
    """Return the indices of the words that make up `candidate`; empty if it begins or ends within a word."""
    inside = [number for number, (start, end) in enumerate(words) if candidate.start <= start and end <= candidate.end]
    if not inside or words[inside[0]][0] != candidate.start or words[inside[-1]][1] != candidate.end:
        return range(0)
    return range(inside[0], inside[-1] + 1)


def _overlap(one: AlignedSpan, other: AlignedSpan) -> bool:
    in_source = one.source_start < other.source_end and other.source_start < one.source_end
    in_target = one.target_start < other.target_end and other.target_start < one.target_end
    return in_source or in_target
