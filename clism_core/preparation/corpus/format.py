"""Interface of the corpus formats."""

from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from clism_core.preparation.corpus.config import CorpusConfig, RawRow
from clism_core.preparation.schema import RejectReason

COLUMNS = frozenset({"source_column", "target_column", "origin_column"})
"""Fields of `CorpusConfig` for formats with columns."""
ROWS_CHECKED = 1000
"""Number of rows checked per file."""

Reader = Callable[[str, CorpusConfig, int | None], Generator[RawRow, None, int]]
"""Generator of a file's rows, up to the limit, that returns the total number of rows."""


def _accept(rows: Mapping[str, Sequence[RawRow]], config: CorpusConfig) -> None:
    """Accept any rows."""


@dataclass(frozen=True, kw_only=True)
class Format:
    """A corpus format: its reader, and what the validation of a configuration needs to know."""

    read: Reader
    fields: frozenset[str] = frozenset()
    """Fields of `CorpusConfig` that apply to this format but not to all formats."""
    required: Mapping[str, str] = field(default_factory=dict)
    """Required fields, with a description of their values."""
    named_columns: bool = False
    """Whether columns have names only, not numbers."""
    places: str = "source_column and target_column"
    """Fields that select source and target, for error messages."""
    file_type: Literal["text", "XML", "Parquet"] = "text"
    """Type of its files: UTF-8 text, XML (which declares its encoding) or Parquet."""
    is_pair_of_files: bool = False
    """Whether a corpus is one pair of files, not a folder or a glob."""
    describe: Mapping[RejectReason, Callable[[str, CorpusConfig], str]] = field(default_factory=dict)
    """Descriptions of files nearly all of whose rows have the same reason, given the path and the configuration."""
    check: Callable[[Mapping[str, Sequence[RawRow]], CorpusConfig], None] = _accept
    """Check that raises `InputError` if the files, given by their first rows, do not form one corpus."""
    titles: Callable[[CorpusConfig], list[str]] | None = None
    """Values of `RawRow.path` for a format without files; None if its corpora are files."""
    identity: Callable[[CorpusConfig], dict[str, str]] = lambda _: {}
    """Identity of the state of a corpus without files."""

    @property
    def has_files(self) -> bool:
        """Whether corpora of this format are files, not names."""
        return self.titles is None
