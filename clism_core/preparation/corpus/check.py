"""Validation of a corpus by its first rows."""

import itertools
from collections import Counter
from collections.abc import Sequence

from clism_core.preparation.corpus import jsonl, tmx, tsv
from clism_core.preparation.corpus.config import CorpusConfig, RawRow
from clism_core.preparation.corpus.files import check_file_type
from clism_core.preparation.corpus.rows import read_file, titles
from clism_core.preparation.schema import RejectReason
from clism_core.utils.errors import InputError
from clism_core.utils.text import listed

ROWS_CHECKED = 1000
"""Number of rows checked per file."""
FILES_CHECKED = 100
"""Maximum number of files checked per corpus: opening a file in an object store is slow."""

MAX_BAD_ROWS = 0.9
"""Fraction of bad rows from which on a file is considered to be of another format or language."""

_FORMAT_FIELDS = {
    "tsv": {"source_column", "target_column", "origin_column", "header"},
    "moses": {"target_path"},
    "tmx": set(),
    "jsonl": {"source_column", "target_column", "origin_column"},
    "parquet": {"source_column", "target_column", "origin_column"},
    "hub": {"source_column", "target_column", "origin_column", "subset", "split", "revision"},
}
"""Fields of a corpus that apply to some formats only."""


def check_corpus(config: CorpusConfig) -> dict[str, list[RawRow]]:
    """Return the first rows of each file, by path; raise `InputError` if they show that the corpus cannot be used.

    Reads the first 1,000 rows of each file, of at most 100 files. If at least 90 % of a file's rows are invalid (wrong
    number of columns, not a JSON object with the configured fields, missing languages), the file as a whole is not what
    the configuration says: this is an error, while fewer invalid rows are rejects.
    """
    _check_languages(config)
    _check_fields(config)
    checked = titles(config)[:FILES_CHECKED]
    for path in [] if config.format == "hub" else checked:
        check_file_type(path, config.format)
    for other in (config.target_path, config.alignment_path):
        if other is not None:
            check_file_type(other, "text")
    rows = {path: list(itertools.islice(read_file(path, config), ROWS_CHECKED)) for path in checked}
    filled = [path for path in checked if rows[path]]
    if not filled:
        raise InputError(f"corpora: {config.path} is empty: it has no sentence pairs")
    for path in filled:
        _check_rows(rows[path], path, config)
    if config.format == "tsv":
        _check_equal_columns(filled, config)
    if config.format == "jsonl" and config.origin_column is not None:
        _check_origins([row for path in filled for row in rows[path]], filled[0], config)
    return rows


def _check_languages(config: CorpusConfig) -> None:
    where = f"corpora: {config.path}"
    for name in ("source_lang", "target_lang"):
        if not getattr(config, name).replace("-", "").replace("_", "").isalnum():
            raise InputError(f"{where}: {name} is {getattr(config, name)!r}; give a language code such as en or pt-BR")
    if config.source_lang == config.target_lang:
        raise InputError(f"{where}: source_lang and target_lang are both {config.source_lang!r}; give two languages")


def _check_fields(config: CorpusConfig) -> None:
    where = f"corpora: {config.path}"
    if config.max_pairs is not None and config.max_pairs < 1:
        raise InputError(f"{where}: max_pairs is {config.max_pairs}; give 1 or more, or null for all pairs")
    if config.format == "moses" and config.target_path is None:
        raise InputError(f"{where}: target_path is missing; format moses needs the file of the target language")
    if config.format == "tsv" and config.target_path is not None:
        raise InputError(f"{where}: target_path is given, but format is tsv; did you mean moses?")
    for name in sorted(set().union(*_FORMAT_FIELDS.values()) - _FORMAT_FIELDS[config.format]):
        if getattr(config, name) != getattr(CorpusConfig, name):
            raise InputError(f"{where}: {name} is given, but format is {config.format}, which does not use it")
    if config.format in ("jsonl", "parquet", "hub"):
        for name in ("source_column", "target_column", "origin_column"):
            if isinstance(getattr(config, name), int):
                raise InputError(
                    f"{where}: {name} is {getattr(config, name)}, but fields of format {config.format} have names, not "
                    "numbers; give a name such as translation.en"
                )


def _check_rows(rows: Sequence[RawRow], path: str, config: CorpusConfig) -> None:
    reasons = Counter(row.reason for row in rows)
    for reason, describe in (
        (RejectReason.WRONG_COLUMN_COUNT, _wrong_columns),
        (RejectReason.INVALID_RECORD, _invalid_records),
        (RejectReason.EMPTY_SOURCE, _missing_language),
        (RejectReason.EMPTY_TARGET, _missing_language),
    ):
        if reasons[reason] >= MAX_BAD_ROWS * len(rows):
            raise InputError(
                f"corpora: {path}: {reasons[reason]:,} of the first {len(rows):,} rows {describe(path, config)}"
            )


def _check_origins(rows: Sequence[RawRow], path: str, config: CorpusConfig) -> None:
    # A file without origins is valid if other files of the corpus have them.
    if not any(row.origin for row in rows):
        raise InputError(
            f"corpora: {config.path}: origin_column {config.origin_column!r} not found in any of the {len(rows):,} "
            f"rows checked; in {path} {_known_fields(path)}"
        )


def _wrong_columns(path: str, _: CorpusConfig) -> str:
    first, *common = tsv.column_counts(path, ROWS_CHECKED)
    return (
        f"have a different number of columns from the first line, which has {first}; most have {common[0]}; remove any "
        "text before the rows, or give the actual format of the file"
    )


def _invalid_records(path: str, config: CorpusConfig) -> str:
    return (
        f"are not a JSON object on one line with text in {config.source_column} and {config.target_column}; "
        f"{_known_fields(path)}"
    )


def _known_fields(path: str) -> str:
    names = jsonl.field_names(path)
    return f"the first line has text in {listed(names)}" if names else "the first line is not a JSON object with text"


def _missing_language(path: str, config: CorpusConfig) -> str:
    found = listed(tmx.languages(path, config, ROWS_CHECKED))
    return f"lack {config.source_lang} or {config.target_lang}; the languages of the file are {found}"


def _check_equal_columns(files: Sequence[str], config: CorpusConfig) -> None:
    """Raise `InputError` if files of one corpus differ in their number of columns, or in columns given by number."""
    first, *others = files
    expected = tsv.first_fields(first)
    numbered = [name for name in ("source_column", "target_column", "origin_column") if _is_numbered(name, config)]
    for path in others:
        found = tsv.first_fields(path)
        if len(found) != len(expected):
            raise InputError(
                f"corpora: {path} has {len(found)} columns, but {first} of the same corpus has {len(expected)}; add "
                "one entry to corpora for each kind of file"
            )
        for name in numbered if config.header else ():
            column = getattr(config, name)
            if found[column - 1] != expected[column - 1]:
                raise InputError(
                    f"corpora: {path}: {name} is {column}, which is {listed([found[column - 1]])} in its header, but "
                    f"{listed([expected[column - 1]])} in the header of {first} of the same corpus; give the columns "
                    "by name, or add one entry to corpora for each kind of file"
                )


def _is_numbered(name: str, config: CorpusConfig) -> bool:
    return isinstance(getattr(config, name), int)
