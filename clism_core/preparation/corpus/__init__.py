"""Parallel corpora as rows: TSV, Moses, TMX, JSON Lines, Parquet and data sets of the Hugging Face Hub.

Files are read as streams: memory does not grow with them. `docs/corpora.md` says what each format takes, what becomes
a reject and what an error.
"""

from clism_core.preparation.corpus.check import check_corpus
from clism_core.preparation.corpus.config import CorpusConfig, RawRow
from clism_core.preparation.corpus.files import input_paths, with_absolute_paths
from clism_core.preparation.corpus.rows import CappedRows, read_rows, source_identity

__all__ = [
    "CappedRows",
    "CorpusConfig",
    "RawRow",
    "check_corpus",
    "input_paths",
    "read_rows",
    "source_identity",
    "with_absolute_paths",
]
