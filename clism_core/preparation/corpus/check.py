"""Validation of a corpus by its first rows."""

import itertools
import logging
from collections import Counter
from collections.abc import Sequence

from clism_core.preparation.corpus.config import CorpusConfig, RawRow
from clism_core.preparation.corpus.files import skipped_files
from clism_core.preparation.corpus.format import COLUMNS, ROWS_CHECKED
from clism_core.preparation.corpus.formats import FORMATS, format_of
from clism_core.preparation.corpus.lines import open_stream
from clism_core.preparation.corpus.rows import empty_file, read_file, titles
from clism_core.utils.encodings import (
    CHECKED,
    check_encoding,
    check_encoding_name,
    check_line_ends,
    check_xml_encoding,
)
from clism_core.utils.errors import InputError
from clism_core.utils.file_types import check_file_type
from clism_core.utils.language_codes import code_problem
from clism_core.utils.text import listed

logger = logging.getLogger(__name__)

FILES_CHECKED = 100
"""Maximum number of files checked per corpus: opening a file in an object store is slow."""

_REMEDIES = {"Parquet": "give format: parquet", "XML": "give format: tmx"}

MAX_BAD_ROWS = 0.9
"""Fraction of bad rows from which on a file is considered to be of another format or language."""


def check_corpus(config: CorpusConfig) -> dict[str, list[RawRow]]:
    """Return the first rows of each file, by path; raise `InputError` if they show that the corpus cannot be used.

    Reads the first 1,000 rows of each file, of at most 100 files. If at least 90 % of a file's rows are invalid (wrong
    number of columns, not a JSON object with the configured fields, missing languages), the file as a whole is not what
    the configuration says: this is an error, while fewer invalid rows are rejects.
    """
    _check_languages(config)
    _check_fields(config)
    checked = titles(config)[:FILES_CHECKED]
    corpus_format = format_of(config)
    for path in checked if corpus_format.has_files else []:
        check_file_type(path, corpus_format.file_type, where=f"corpora: {path}", remedies=_REMEDIES)
        _check_encoding(path, config)
    for other in (config.target_path, config.alignment_path):
        if other is not None:
            check_file_type(other, "text", where=f"corpora: {other}", remedies=_REMEDIES)
            _check_encoding(other, config)
    if skipped := skipped_files(config):
        logger.warning(
            "corpora: %s: %d files are skipped because of names that begin with . or _: %s; rename them if they belong "
            "to the corpus",
            *(config.path, len(skipped), listed(skipped)),
        )
    rows = {path: list(itertools.islice(read_file(path, config), ROWS_CHECKED)) for path in checked}
    for path in checked:
        if not rows[path]:
            raise empty_file(path)
        _check_rows(rows[path], path, config)
    corpus_format.check(rows, config)
    return rows


def _check_languages(config: CorpusConfig) -> None:
    where = f"corpora: {config.path}"
    for name in ("source_lang", "target_lang"):
        if (problem := code_problem(getattr(config, name))) is not None:
            raise InputError(f"{where}: {name} {problem}")
    if config.source_lang == config.target_lang:
        raise InputError(f"{where}: source_lang and target_lang are both {config.source_lang!r}; give two languages")


def _check_fields(config: CorpusConfig) -> None:
    where = f"corpora: {config.path}"
    corpus_format = format_of(config)
    for name, content in corpus_format.required.items():
        if getattr(config, name) is None:
            raise InputError(f"{where}: {name} is missing; format {config.format} needs {content}")
    for name in sorted(frozenset().union(*(each.fields for each in FORMATS.values())) - corpus_format.fields):
        if getattr(config, name) != getattr(CorpusConfig, name):
            users = " or ".join(known for known, each in FORMATS.items() if name in each.fields)
            raise InputError(
                f"{where}: {name} is given, but format is {config.format}, which does not use it; did you mean {users}?"
            )
    check_encoding_name(config.encoding, title=where)
    if corpus_format.named_columns:
        for name in sorted(COLUMNS):
            if isinstance(getattr(config, name), int):
                raise InputError(
                    f"{where}: {name} is {getattr(config, name)}, but fields of format {config.format} have names, not "
                    "numbers; give a name such as translation.en"
                )


def _check_encoding(path: str, config: CorpusConfig) -> None:
    file_type, where = format_of(config).file_type, f"corpora: {path}"
    if file_type == "Parquet":
        return
    with open_stream(path) as stream:
        content = stream.read(CHECKED)
    sides = [config.source_lang, config.target_lang]
    if file_type == "XML":
        check_xml_encoding(content, languages=sides, where=where)
        return
    encoding = "utf-8" if path == config.alignment_path else config.encoding
    check_encoding(content, encoding=encoding, languages=sides, where=where)
    check_line_ends(content, encoding=encoding, where=where)


def _check_rows(rows: Sequence[RawRow], path: str, config: CorpusConfig) -> None:
    reasons = Counter(row.reason for row in rows)
    for reason, describe in format_of(config).describe.items():
        if reasons[reason] >= MAX_BAD_ROWS * len(rows):
            raise InputError(
                f"corpora: {path}: {reasons[reason]:,} of the first {len(rows):,} rows {describe(path, config)}"
            )
