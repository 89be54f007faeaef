"""The rows of a corpus, of whichever format and however many files."""

from collections.abc import Callable, Generator, Iterator

from clism_core.preparation.corpus import hub, jsonl, moses, parquet, tmx, tsv
from clism_core.preparation.corpus.config import CorpusConfig, RawRow
from clism_core.preparation.corpus.files import corpus_files
from clism_core.preparation.corpus.lines import Counted, lines, room, side_by_side
from clism_core.preparation.schema import Reason

_Reader = Callable[[str, CorpusConfig, int | None], Generator[RawRow, None, int]]
"""Yields the first rows of a file, no more than the limit, and returns how many it has."""

_READERS: dict[str, _Reader] = {
    "tsv": tsv.read,
    "moses": moses.read,
    "tmx": tmx.read,
    "jsonl": jsonl.read,
    "parquet": parquet.read,
    "hub": hub.read,
}


class CappedRows:
    """The rows of a corpus up to `max_pairs`; once they are read to the end, `beyond_cap` counts the others.

    Counting takes less time than making rows of them, and none where the files say their number (Parquet, hub). To be
    iterated over once. Raises `InputError`, also while counting, where a file cannot be read to its end.
    """

    def __init__(self, config: CorpusConfig) -> None:
        self._config = config
        self.beyond_cap: int | None = None

    def __iter__(self) -> Iterator[RawRow]:
        cap = self._config.max_pairs
        total = yield from _read(self._config, limit=cap)
        self.beyond_cap = 0 if cap is None else max(0, total - cap)


def read_rows(config: CorpusConfig) -> Iterator[RawRow]:
    """Yield all rows of the corpus, those beyond `max_pairs` too, file by file in the order of their names.

    Raises `InputError` where a file cannot be read to its end or files that belong together differ in length.
    """
    yield from _read(config, limit=None)


def read_file(path: str, config: CorpusConfig) -> Iterator[RawRow]:
    """Yield the rows of one file of the corpus, or of the data set of the hub that has this title."""
    yield from _READERS[config.format](path, config, None)


def titles(config: CorpusConfig) -> list[str]:
    """Return what `RawRow.path` names, in order: the files, or the title of a data set of the hub."""
    return [hub.title(config)] if config.format == "hub" else corpus_files(config)


def source_identity(config: CorpusConfig) -> dict[str, str]:
    """Return what tells the state of a corpus without files from another, empty for one with files.

    A data set of the hub has `name`, `subset`, `split` and `revision`, which is a commit. Raises `InputError` where the
    hub does not answer.
    """
    return hub.identity(config) if config.format == "hub" else {}


def _read(config: CorpusConfig, *, limit: int | None) -> Generator[RawRow, None, int]:
    rows = Counted(_read_files(config, limit))
    if config.alignment_path is None:
        yield from rows
    else:
        links = Counted(lines(config.alignment_path, limit))
        for row, line in side_by_side(rows, links, path=config.path, other_path=config.alignment_path):
            # A line that is too long to be read holds no alignment of a sentence.
            reason = row.reason or (Reason.INVALID_ALIGNMENT if line is None else None)
            yield row._replace(alignment=line, reason=reason)
    assert rows.total is not None
    return rows.total


def _read_files(config: CorpusConfig, limit: int | None) -> Generator[RawRow, None, int]:
    total = 0
    for path in titles(config):
        total += yield from _READERS[config.format](path, config, room(limit, total))
    return total
