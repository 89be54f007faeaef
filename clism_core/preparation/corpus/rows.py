"""Rows of a corpus of any format and any number of files."""

from collections.abc import Callable, Generator, Iterator

from clism_core.preparation.corpus import hub, jsonl, moses, parquet, tmx, tsv
from clism_core.preparation.corpus.config import CorpusConfig, RawRow
from clism_core.preparation.corpus.files import corpus_files
from clism_core.preparation.corpus.lines import Counted, lines, remaining, zip_counted
from clism_core.preparation.schema import RejectReason

_Reader = Callable[[str, CorpusConfig, int | None], Generator[RawRow, None, int]]
"""Generator of a file's rows, up to the limit, that returns the total number of rows."""

_READERS: dict[str, _Reader] = {
    "tsv": tsv.read,
    "moses": moses.read,
    "tmx": tmx.read,
    "jsonl": jsonl.read,
    "parquet": parquet.read,
    "hub": hub.read,
}


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
    yield from _READERS[config.format](path, config, None)


def titles(config: CorpusConfig) -> list[str]:
    """Return the values of `RawRow.path`, in order: the files, or the title of a hub data set."""
    return [hub.title(config)] if config.format == "hub" else corpus_files(config)


def source_identity(config: CorpusConfig) -> dict[str, str]:
    """Return the identity of a hub data set's state; empty for a corpus of files.

    It consists of `name`, `subset`, `split` and `revision`, which is a commit. Raises `InputError` if the hub does not
    answer.
    """
    return hub.identity(config) if config.format == "hub" else {}


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
        total += yield from _READERS[config.format](path, config, remaining(limit, total))
    return total
