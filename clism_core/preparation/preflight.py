"""Check that the first texts of a corpus match its configuration, before the whole corpus is processed."""

import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from clism_core.preparation.cell_contents import content_of_cells
from clism_core.preparation.cleaning import CleaningConfig
from clism_core.preparation.cleaning_stage import make_row
from clism_core.preparation.corpus import CorpusConfig, RawRow
from clism_core.preparation.corpus.check import MAX_BAD_ROWS
from clism_core.preparation.corpus.formats import format_of
from clism_core.preparation.language import has_word_list, identify_texts
from clism_core.preparation.quoted_rows import quoted_rows
from clism_core.preparation.schema import RejectReason
from clism_core.utils.errors import InputError
from clism_core.utils.text import listed
from clism_core.utils.words import base_language

logger = logging.getLogger(__name__)

_MIN_ROWS = 20
"""Minimum number of rows for a conclusion about a file; fewer could all be rejects by chance."""
_MAX_DAMAGED = 0.1
"""Fraction of rows from which on damage is not a matter of a few rows."""
_DAMAGE = (RejectReason.INVALID_UTF8, RejectReason.CONTROL_CHARACTERS)
"""Reasons of damage, of which clean files have none."""


def check_texts(
    first_rows: Mapping[str, Sequence[RawRow]],
    *,
    corpus: CorpusConfig,
    cleaning: CleaningConfig,
    given_alignment: bool,
) -> None:
    """Raise `InputError` if nearly all of the first rows of a file would be rejected, or are not sentences.

    `first_rows` holds the first rows of each file, by path, as returned by `check_corpus`; files of fewer than 20 rows
    are not checked. If 90 % of the rows would be rejected, for one reason or several, or 10 % are damaged, the
    configuration is wrong, and an early error is better than a data set of rejects.
    """
    for path, rows in first_rows.items():
        if len(rows) < _MIN_ROWS:
            continue
        _check_contents(rows, path, corpus)
        # The first rows come without their alignments, which are irrelevant to the texts.
        made = [
            make_row(row._replace(alignment=""), corpus=corpus, cleaning=cleaning, given_alignment=given_alignment)
            for row in rows
        ]
        _check_reasons([row for row in made if row["reason"] is not None], path, corpus, checked=len(rows))
        if cleaning.wrong_language:
            _warn_about_languages([row for row in made if row["reason"] is None], path, corpus)


def _check_contents(rows: Sequence[RawRow], path: str, corpus: CorpusConfig) -> None:
    """Raise `InputError` if source or target are numbers, identifiers or the like."""
    corpus_format = format_of(corpus)
    for side, column in (("source", corpus.source_column), ("target", corpus.target_column)):
        cells = [text for row in rows if (text := getattr(row, side)) is not None]
        content = content_of_cells(cells)
        if content is None:
            continue
        field = f"{side}_column"
        where = f"{field} {column!r}" if field in corpus_format.fields else f"the {side}"
        remedy = f"give {field}" if field in corpus_format.fields else f"check {corpus_format.places}"
        raise InputError(
            f"corpora: {path}: {where} holds {content}, such as {listed(dict.fromkeys(filter(None, cells[:3])))}, not "
            f"sentences; {remedy}"
        )


def _check_reasons(rejects: Sequence[Mapping[str, Any]], path: str, corpus: CorpusConfig, *, checked: int) -> None:
    reasons = Counter(row["reason"] for row in rejects)
    damaged = [reason for reason in _DAMAGE if reasons[reason] >= _MAX_DAMAGED * checked]
    if not damaged and len(rejects) < MAX_BAD_ROWS * checked:
        return
    reason, _ = reasons.most_common(1)[0] if not damaged else (damaged[0], 0)
    shown = {reason: reasons[reason]} if damaged else dict(reasons.most_common())
    total = sum(shown.values())
    counts = ", ".join(f"{name} ({rows:,})" for name, rows in shown.items()) if len(shown) > 1 else reason
    examples = quoted_rows([row for row in rejects if row["reason"] == reason])
    raise InputError(
        f"corpora: {path}: {total:,} of the first {checked:,} rows are {counts}: {_cause(reason, rejects, corpus)}; "
        f"{examples}"
    )


def _warn_about_languages(rows: Sequence[Mapping[str, Any]], path: str, corpus: CorpusConfig) -> None:
    """Warn if the texts seem to be in another language where rows cannot be checked: the code may be mistyped."""
    for side, language in (("source", corpus.source_lang), ("target", corpus.target_lang)):
        if has_word_list(language):
            continue
        found = identify_texts(row[side] for row in rows)
        if found not in (None, base_language(language)):
            logger.warning(
                "corpora: %s: the %s seems to be in %s, not in %s, of which no list of words is known, so that rows in "
                "other languages are not rejected; check %s_lang",
                *(path, side, found, language, side),
            )


def _cause(reason: RejectReason, rejects: Sequence[Mapping[str, Any]], corpus: CorpusConfig) -> str:
    """Return the probable cause and the remedy."""
    fields = format_of(corpus).places
    match reason:
        case RejectReason.WRONG_LANGUAGE:
            return (
                f"{_languages([row for row in rejects if row['reason'] == reason], corpus)} source_lang and "
                f"target_lang or {fields}, or keep such rows with cleaning.wrong_language: false"
            )
        case RejectReason.INVALID_UTF8:
            return "they have bytes in another encoding, or were damaged before; convert or repair them"
        case RejectReason.CONTROL_CHARACTERS:
            return "the file may be in an encoding such as ISO-2022-JP, or not be text; convert it to UTF-8"
        case RejectReason.UNTRANSLATED:
            return f"source and target are the same text; check {fields}, which may both name the same text"
        case RejectReason.EMPTY_SOURCE | RejectReason.EMPTY_TARGET:
            return f"there is no text; check {fields}, which may not be where the text is"
        case RejectReason.TOO_LONG:
            return "they are longer than cleaning allows; split them into sentences, or raise its limits"
        case _:
            return f"check the file and {fields}"


def _languages(rows: Sequence[Mapping[str, Any]], corpus: CorpusConfig) -> str:
    """Return in which languages rows of wrong languages are, and what to do about it."""
    wanted = base_language(corpus.source_lang), base_language(corpus.target_lang)
    found = tuple(identify_texts(row[side] for row in rows) for side in ("source", "target"))
    if found == wanted[::-1]:
        return f"the source is in {found[0]}, the target in {found[1]}: they seem to be swapped; swap"
    names = zip(("source", "target"), found, (corpus.source_lang, corpus.target_lang), wanted, strict=True)
    wrong = [
        f"the {side} seems to be in {code}, not in {name}"
        for side, code, name, base in names
        if code not in (None, base)
    ]
    generic = f"the source is not in {corpus.source_lang}, or the target not in {corpus.target_lang}"
    return f"{', '.join(wrong) or generic}; check"
