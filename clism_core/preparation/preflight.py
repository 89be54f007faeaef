"""Whether the texts of a corpus are what it is said to hold, as far as its beginning tells."""

import dataclasses
from collections import Counter
from collections.abc import Mapping, Sequence

from clism_core.preparation.cleaning import CleaningConfig
from clism_core.preparation.cleaning_stage import make_row
from clism_core.preparation.corpus import CorpusConfig, RawRow
from clism_core.preparation.corpus.check import MAX_BAD_ROWS
from clism_core.preparation.corpus.formats import format_of
from clism_core.preparation.schema import RejectReason
from clism_core.utils.errors import InputError

_FEWEST_ROWS = 20
"""Rows that tell something about a file; fewer may be rejects by chance."""
_WITNESSES = (
    RejectReason.WRONG_LANGUAGE,
    RejectReason.INVALID_UTF8,
    RejectReason.CONTROL_CHARACTERS,
    RejectReason.UNTRANSLATED,
    RejectReason.EMPTY_SOURCE,
    RejectReason.EMPTY_TARGET,
)
"""Reasons that nearly all rows of a file have where the file, its columns or its languages are others than said."""


def check_texts(
    beginnings: Mapping[str, Sequence[RawRow]],
    *,
    corpus: CorpusConfig,
    cleaning: CleaningConfig,
    given_alignment: bool,
) -> None:
    """Raise `InputError` where nearly all rows at the beginning of a file would be rejected for one reason.

    `beginnings` holds the first rows of files, by path, as `check_corpus` returns them; those of fewer than 20 rows
    are let through. Nine rows in ten in another language, not in UTF-8, untranslated or without text are no accident,
    and one error now is better than a data set of rejects.
    """
    for path, rows in beginnings.items():
        if len(rows) < _FEWEST_ROWS:
            continue
        reasons = _reasons(rows, corpus=corpus, cleaning=cleaning, given_alignment=given_alignment)
        for reason in _WITNESSES:
            if reasons[reason] >= MAX_BAD_ROWS * len(rows):
                swapped = dataclasses.replace(corpus, source_lang=corpus.target_lang, target_lang=corpus.source_lang)
                others = _reasons(rows, corpus=swapped, cleaning=cleaning, given_alignment=given_alignment)
                raise InputError(
                    f"corpora: {path}: {reasons[reason]:,} of the first {len(rows):,} rows are {reason}: "
                    f"{_cause(reason, corpus, are_swapped=others[reason] < reasons[reason] / 2)}"
                )


def _reasons(
    rows: Sequence[RawRow], *, corpus: CorpusConfig, cleaning: CleaningConfig, given_alignment: bool
) -> Counter[RejectReason | None]:
    # The rows of a file come without their alignments, which tell nothing about its texts.
    made = (
        make_row(row._replace(alignment=""), corpus=corpus, cleaning=cleaning, given_alignment=given_alignment)
        for row in rows
    )
    return Counter(row["reason"] for row in made)


def _cause(reason: RejectReason, corpus: CorpusConfig, *, are_swapped: bool) -> str:
    """Return what is likely to be wrong, and what to do about it."""
    places = format_of(corpus).places
    match reason:
        case RejectReason.WRONG_LANGUAGE:
            cause = "the two are swapped, for the other way round they fit; swap" if are_swapped else "look at"
            return (
                f"the source is not in {corpus.source_lang}, or the target not in {corpus.target_lang}; {cause} "
                f"source_lang and target_lang or {places}, or keep such rows with cleaning.wrong_language: false"
            )
        case RejectReason.INVALID_UTF8:
            return "the text may be in Latin-1 or another encoding; convert the file to UTF-8"
        case RejectReason.CONTROL_CHARACTERS:
            return "it may be in UTF-16, or no text at all; convert the file to UTF-8, or give its format"
        case RejectReason.UNTRANSLATED:
            return f"source and target are the same text; look at {places}, which may name the same one twice"
        case _:
            return f"there is no text; look at {places}, which may name another place than the text's"
