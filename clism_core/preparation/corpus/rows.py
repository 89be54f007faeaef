"""Rows of a corpus of any format and any number of files."""

from collections.abc import Generator, Iterator

from clism_core.preparation.corpus.config import CorpusConfig, RawRow
from clism_core.preparation.corpus.files import corpus_files
from clism_core.preparation.corpus.formats import format_of
from clism_core.preparation.corpus.lines import Counted, lines, remaining, zip_counted
from clism_core.preparation.schema import RejectReason
from clism_core.utils.errors import InputError


class CappedRows:
    """Rows of a corpus up to `max_pairs`; after they have been consumed, `beyond_cap` is the number of other rows.

    Counting is faster than reading, and takes no time if the files hold their row count (Parquet, hub). Can be iterated
    over only once. Raises `InputError`, also while counting, if a file cannot be read to its end.
    """

    def __init__(self, config: CorpusConfig) -> None:
        self._config = config
        self.beyond_cap: int | None = None

    def __iter__(self) -> Iterator[RawRow]:
        cap = self._config.max_pairs
        total = yield from _read(self._config, limit=cap)
        self.beyond_cap = 0 if cap is None else max(0, total - cap)


def read_rows(config: CorpusConfig) -> Iterator[RawRow]:
    """Yield all rows of the corpus, including those beyond `max_pairs`, file by file in the order of their names.

    Raises `InputError` if a file cannot be read to its end, or corresponding files differ in length.
    """
    yield from _read(config, limit=None)


def read_file(path: str, config: CorpusConfig) -> Iterator[RawRow]:
    """Yield the rows of one file of the corpus, or of the hub data set with this title."""
    yield from format_of(config).read(path, config, None)


def titles(config: CorpusConfig) -> list[str]:
    """Return the values of `RawRow.path`, in order: the files, or the title of a hub data set."""
    corpus_format = format_of(config)
    return corpus_files(config) if corpus_format.titles is None else corpus_format.titles(config)


def source_identity(config: CorpusConfig) -> dict[str, str]:
    """Return the identity of a hub data set's state; empty for a corpus of files.

    It consists of `name`, `subset`, `split` and `revision`, which is a commit. Raises `InputError` if the hub does not
    answer.
    """
    return format_of(config).identity(config)


def _read(config: CorpusConfig, *, limit: int | None) -> Generator[RawRow, None, int]:
    rows = Counted(_read_files(config, limit))
    if config.alignment_path is None:
        yield from rows
    else:
        links = Counted(lines(config.alignment_path, limit))
        for row, line in zip_counted(rows, links, path=config.path, other_path=config.alignment_path):
            # A line that is too long cannot be the alignment of a sentence.
            reason = row.reason or (RejectReason.INVALID_ALIGNMENT if line is None else None)
            yield row._replace(alignment=line, reason=reason)
    assert rows.total is not None
    return rows.total


def _read_files(config: CorpusConfig, limit: int | None) -> Generator[RawRow, None, int]:
    total = 0
    for path in titles(config):
        rows = yield from format_of(config).read(path, config, remaining(limit, total))
        if rows == 0:
            raise empty_file(path)
        total += rows
    return total


def empty_file(path: str) -> InputError:
    """Return the error for a file of a corpus that has no rows, such as one whose download failed."""
    return InputError(f"corpora: {path} is empty: it has no sentence pairs; delete it, or download it again")
