"""Readers of parallel corpora: TSV, Moses, TMX, JSON Lines, Parquet and data sets of the Hugging Face Hub.

Files are streamed, so that memory does not grow with their size. `docs/corpora.md` describes each format, and which
defects become rejects and which are errors.
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
