"""Check that the first texts of a corpus match its configuration, before the whole corpus is processed."""

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

_MIN_ROWS = 20
"""Minimum number of rows for a conclusion about a file; fewer could all be rejects by chance."""
_SUSPICIOUS_REASONS = (
    RejectReason.WRONG_LANGUAGE,
    RejectReason.INVALID_UTF8,
    RejectReason.CONTROL_CHARACTERS,
    RejectReason.UNTRANSLATED,
    RejectReason.EMPTY_SOURCE,
    RejectReason.EMPTY_TARGET,
)
"""Reasons shared by nearly all rows of a file if its encoding, columns or languages are configured wrongly."""


def check_texts(
    first_rows: Mapping[str, Sequence[RawRow]],
    *,
    corpus: CorpusConfig,
    cleaning: CleaningConfig,
    given_alignment: bool,
) -> None:
    """Raise `InputError` if nearly all of the first rows of a file would be rejected for the same reason.

    `first_rows` holds the first rows of each file, by path, as returned by `check_corpus`; files of fewer than 20 rows
    are not checked. If 90 % of the rows are in another language, not in UTF-8, untranslated or empty, the configuration
    is wrong, and an early error is better than a data set of rejects.
    """
    for path, rows in first_rows.items():
        if len(rows) < _MIN_ROWS:
            continue
        reasons = _reasons(rows, corpus=corpus, cleaning=cleaning, given_alignment=given_alignment)
        for reason in _SUSPICIOUS_REASONS:
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
    # The first rows come without their alignments, which are irrelevant to the texts.
    made = (
        make_row(row._replace(alignment=""), corpus=corpus, cleaning=cleaning, given_alignment=given_alignment)
        for row in rows
    )
    return Counter(row["reason"] for row in made)


def _cause(reason: RejectReason, corpus: CorpusConfig, *, are_swapped: bool) -> str:
    """Return the probable cause and the remedy."""
    fields = format_of(corpus).places
    match reason:
        case RejectReason.WRONG_LANGUAGE:
            cause = "they seem to be swapped; swap" if are_swapped else "check"
            return (
                f"the source is not in {corpus.source_lang}, or the target not in {corpus.target_lang}; {cause} "
                f"source_lang and target_lang or {fields}, or keep such rows with cleaning.wrong_language: false"
            )
        case RejectReason.INVALID_UTF8:
            return "the text may be in Latin-1 or another encoding; convert the file to UTF-8"
        case RejectReason.CONTROL_CHARACTERS:
            return "the file may be in UTF-16 or not be text; convert it to UTF-8, or give its actual format"
        case RejectReason.UNTRANSLATED:
            return f"source and target are the same text; check {fields}, which may both name the same text"
        case _:
            return f"there is no text; check {fields}, which may not be where the text is"
