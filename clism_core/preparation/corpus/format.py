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
    """Fields of `CorpusConfig` that it uses and that do not apply to every format."""
    required: Mapping[str, str] = field(default_factory=dict)
    """Fields that must be given, with what they hold."""
    named_columns: bool = False
    """Whether columns have names only, not numbers."""
    places: str = "source_column and target_column"
    """What determines where the texts of a row are found, for error messages."""
    file_type: Literal["text", "XML", "Parquet"] = "text"
    """Type of its files: UTF-8 text, XML (which declares its encoding) or Parquet."""
    is_pair_of_files: bool = False
    """Whether a corpus is one pair of files, not a folder or a glob."""
    describe: Mapping[RejectReason, Callable[[str, CorpusConfig], str]] = field(default_factory=dict)
    """Description of a file, given by its path, nearly all of whose rows have a reason."""
    check: Callable[[Mapping[str, Sequence[RawRow]], CorpusConfig], None] = _accept
    """Raises `InputError` if the files, each given by its first rows, do not belong to one corpus."""
    titles: Callable[[CorpusConfig], list[str]] | None = None
    """Values of `RawRow.path` for a format without files; None: its corpora are files."""
    identity: Callable[[CorpusConfig], dict[str, str]] = lambda _: {}
    """Identity of the state of a corpus without files."""

    @property
    def has_files(self) -> bool:
        """Whether corpora are files, not a name."""
        return self.titles is None
