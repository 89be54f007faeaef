"""What is wrong with a corpus, as far as its beginning tells."""

import itertools
from collections import Counter
from collections.abc import Sequence

from clism_core.preparation.corpus import jsonl, tmx, tsv
from clism_core.preparation.corpus.config import CorpusConfig, RawRow
from clism_core.preparation.corpus.files import check_beginning
from clism_core.preparation.corpus.rows import read_file, titles
from clism_core.preparation.schema import Reason
from clism_core.utils.errors import InputError
from clism_core.utils.text import listed

ROWS_CHECKED = 1000
"""Rows that are looked at in a file."""
FILES_CHECKED = 100
"""Files that are looked at in a corpus of more: opening one in an object store takes a while."""

UNTRUSTED = 0.9
"""The share of bad rows from which on a file is taken not to be what it is said to be."""

_OWN_FIELDS = {
    "tsv": {"source_column", "target_column", "origin_column", "header"},
    "moses": {"target_path"},
    "tmx": set(),
    "jsonl": {"source_column", "target_column", "origin_column"},
    "parquet": {"source_column", "target_column", "origin_column"},
    "hub": {"source_column", "target_column", "origin_column", "subset", "split", "revision"},
}
"""The fields of a corpus that only some formats know."""


def check_corpus(config: CorpusConfig) -> dict[str, list[RawRow]]:
    """Return the first rows of the files, by path; raise `InputError` where the corpus cannot be used, as they tell.

    Looks at the first 1,000 rows of each file, of a hundred files at most, and reads no further. A file in which at
    least nine rows of ten are no rows of its format (another number of columns than the first line, no JSON object with
    these fields, no text in these languages) cannot be trusted as a whole, and is an error rather than so many rejects.
    """
    _check_languages(config)
    _check_fields(config)
    checked = titles(config)[:FILES_CHECKED]
    for path in [] if config.format == "hub" else checked:
        check_beginning(path, config.format)
    for other in (config.target_path, config.alignment_path):
        if other is not None:
            check_beginning(other, "text")
    rows = {path: list(itertools.islice(read_file(path, config), ROWS_CHECKED)) for path in checked}
    filled = [path for path in checked if rows[path]]
    if not filled:
        raise InputError(f"corpora: {config.path} is empty: no pair stands in it")
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
        raise InputError(f"{where}: source_lang and target_lang are both {config.source_lang!r}")


def _check_fields(config: CorpusConfig) -> None:
    where = f"corpora: {config.path}"
    if config.max_pairs is not None and config.max_pairs < 1:
        raise InputError(f"{where}: max_pairs is {config.max_pairs}; give 1 or more, or null for all")
    if config.format == "moses" and config.target_path is None:
        raise InputError(f"{where}: format is moses, which wants target_path, the file of the other language")
    if config.format == "tsv" and config.target_path is not None:
        raise InputError(f"{where}: target_path is given, but format is tsv; did you mean moses?")
    for name in sorted(set().union(*_OWN_FIELDS.values()) - _OWN_FIELDS[config.format]):
        if getattr(config, name) != getattr(CorpusConfig, name):
            raise InputError(f"{where}: {name} is given, but format is {config.format}, which has no use for it")
    if config.format in ("jsonl", "parquet", "hub"):
        for name in ("source_column", "target_column", "origin_column"):
            if isinstance(getattr(config, name), int):
                raise InputError(
                    f"{where}: {name} is {getattr(config, name)}, but format is {config.format}, whose fields have "
                    "names; give one, such as translation.en"
                )


def _check_rows(rows: Sequence[RawRow], path: str, config: CorpusConfig) -> None:
    reasons = Counter(row.reason for row in rows)
    for reason, describe in (
        (Reason.WRONG_COLUMN_COUNT, _wrong_columns),
        (Reason.INVALID_RECORD, _invalid_records),
        (Reason.EMPTY_SOURCE, _missing_language),
        (Reason.EMPTY_TARGET, _missing_language),
    ):
        if reasons[reason] >= UNTRUSTED * len(rows):
            raise InputError(
                f"corpora: {path}: {reasons[reason]:,} of the first {len(rows):,} rows {describe(path, config)}"
            )


def _check_origins(rows: Sequence[RawRow], path: str, config: CorpusConfig) -> None:
    # A file may lack origins where others of the corpus have them.
    if not any(row.origin for row in rows):
        raise InputError(
            f"corpora: {config.path}: none of the {len(rows):,} rows looked at has an origin_column "
            f"{config.origin_column!r}; in {path} {_known_fields(path)}"
        )


def _wrong_columns(path: str, _: CorpusConfig) -> str:
    first, *common = tsv.column_counts(path, ROWS_CHECKED)
    return (
        f"have another number of columns than the first line, which has {first}, and most have {common[0]}; take away "
        "what stands before the rows, or give the format that the file has"
    )


def _invalid_records(path: str, config: CorpusConfig) -> str:
    return (
        f"are no JSON object on a line of its own with texts in {config.source_column} and {config.target_column}; "
        f"{_known_fields(path)}"
    )


def _known_fields(path: str) -> str:
    names = jsonl.field_names(path)
    return f"the first line has texts in {listed(names)}" if names else "the first line is no JSON object with texts"


def _missing_language(path: str, config: CorpusConfig) -> str:
    found = listed(tmx.languages(path, config, ROWS_CHECKED))
    return f"lack {config.source_lang} or {config.target_lang}; the languages there are {found}"


def _check_equal_columns(files: Sequence[str], config: CorpusConfig) -> None:
    """Raise `InputError` where files that are one corpus have other columns: another number, or others by number."""
    first, *others = files
    expected = tsv.first_fields(first)
    numbered = [name for name in ("source_column", "target_column", "origin_column") if _is_numbered(name, config)]
    for path in others:
        found = tsv.first_fields(path)
        if len(found) != len(expected):
            raise InputError(
                f"corpora: {path} has {len(found)} columns, but {first} of the same corpus {len(expected)}; give an "
                "entry of corpora for each kind of file"
            )
        for name in numbered if config.header else ():
            column = getattr(config, name)
            if found[column - 1] != expected[column - 1]:
                raise InputError(
                    f"corpora: {path}: {name} is {column}, which is {listed([found[column - 1]])} by its header, but "
                    f"{listed([expected[column - 1]])} by that of {first} of the same corpus; give the columns by "
                    "name, or an entry of corpora for each kind of file"
                )


def _is_numbered(name: str, config: CorpusConfig) -> bool:
    return isinstance(getattr(config, name), int)
