"""Alignments that are given with a corpus: their links refer to words by numbers that another program assigned."""

import re
from collections.abc import Iterable, Sequence
from itertools import islice
from typing import NamedTuple

from clism_core.preparation.alignment.pharaoh import parse_links
from clism_core.preparation.corpus import CorpusConfig, RawRow
from clism_core.preparation.corpus.lines import lines
from clism_core.preparation.spans import Link
from clism_core.utils.errors import InputError

_MAX_MISFITS = 0.1
"""Fraction of alignments that do not fit their sentences from which on a file is considered invalid. All fit if they
are of these sentences; if words are counted from 1 or links reversed, most do not."""
_MIN_ALIGNMENTS = 20
"""Minimum number of alignments for a conclusion from that fraction alone."""
_WORD = re.compile(r"[^ \t\r\n]+")


class _Aligned(NamedTuple):
    """Links of a sentence pair, counted from 0, and its numbers of words."""

    links: set[Link]
    counts: tuple[int, int]

    @property
    def fits(self) -> bool:
        return all(0 <= i < self.counts[0] and 0 <= j < self.counts[1] for i, j in self.links)

    @property
    def reversed(self) -> "_Aligned":
        return _Aligned({(j, i) for i, j in self.links}, self.counts)

    def shifted(self, step: int) -> "_Aligned":
        return _Aligned({(i + step, j + step) for i, j in self.links}, self.counts)


def count_words(text: str) -> int | None:
    """Return the number of words of `text`, which is tokenised; None if aligners differ.

    Aligners in C++ (GIZA++, fast_align) separate words at ASCII spaces, those in Python (eflomal, awesome-align,
    SimAlign) also at no-break spaces and any other white space.
    """
    count = len(text.split())
    return count if count == len(_WORD.findall(text)) else None


def given_links(alignment: str, *, base: int, counts: tuple[int | None, int | None]) -> set[Link] | None:
    """Return the links of `alignment` between words counted from 0; None if they do not fit a sentence pair.

    Args:
        alignment: list of `i-j`.
        base: number of the first word in `alignment`.
        counts: results of `count_words` for source and target.
    """
    links, (source, target) = parse_links(alignment), counts
    if links is None or source is None or target is None:
        return None
    aligned = _Aligned(links, (source, target)).shifted(-base)
    return aligned.links if aligned.fits else None


def check_alignments(rows: Sequence[RawRow], *, corpus: CorpusConfig) -> None:
    """Raise `InputError` if the alignments of `alignment_path` do not fit `rows`, the first ones of `corpus`.

    They do not fit if at least 10 % of them, of at least 20, are not lists of `i-j`, or have links to words that the
    sentences do not have; fewer are rejects. Of any number of alignments, it is also an error if half do not fit, or
    none has a link to the first word, and all would fit if counted differently or reversed.
    """
    assert corpus.alignment_path is not None
    where = f"corpora: {corpus.alignment_path}"
    given, unread = [], 0
    for row, line in zip(rows, islice(lines(corpus.alignment_path), len(rows)), strict=False):
        if row.reason is not None or row.source is None or row.target is None or not line or not line.strip():
            continue
        links, source, target = parse_links(line), count_words(row.source), count_words(row.target)
        if links is None:
            unread += 1
        elif source is not None and target is not None:
            given.append(_Aligned(links, (source, target)).shifted(-corpus.alignment_base))
    if _are_many(unread, unread + len(given)):
        raise InputError(
            f"{where}: {unread:,} of the first {unread + len(given):,} alignments are not of the form 0-0 1-2; convert "
            "them to the Pharaoh format, without scores or labels"
        )
    misfits = _misfits(given)
    cause, left = min(_other_readings(given, base=corpus.alignment_base), key=lambda reading: reading[1])
    has_first_word = any(0 in link for aligned in given for link in aligned.links)
    if _are_many(misfits, len(given)) or (misfits > left == 0 and (2 * misfits >= len(given) or not has_first_word)):
        raise InputError(
            f"{where}: {misfits:,} of the first {len(given):,} alignments have links to words that their sentences do "
            f"not have: "
            + (
                cause
                if 2 * left < misfits
                else "give the alignments of these sentences, in their order and tokenisation"
            )
        )


def _other_readings(given: Sequence[_Aligned], *, base: int) -> Iterable[tuple[str, int]]:
    """Yield other meanings of the numbers, with the remedy, and how many alignments do not fit then."""
    other = 1 - base
    step = base - other
    count = f"words seem to be counted from {other}; give alignment_base: {other}"
    swap = "links seem to be target-source; swap the two numbers of each link"
    yield count, _misfits(aligned.shifted(step) for aligned in given)
    yield swap, _misfits(aligned.reversed for aligned in given)
    yield f"{swap}, and {count}", _misfits(aligned.reversed.shifted(step) for aligned in given)


def _misfits(alignments: Iterable[_Aligned]) -> int:
    return sum(not aligned.fits for aligned in alignments)


def _are_many(number: int, total: int) -> bool:
    return total >= _MIN_ALIGNMENTS and number >= _MAX_MISFITS * total
