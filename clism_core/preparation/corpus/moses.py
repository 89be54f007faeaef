"""Reader of Moses pairs: two files in which line i of one is the translation of line i of the other."""

from collections.abc import Generator

from clism_core.preparation.corpus.config import CorpusConfig, RawRow
from clism_core.preparation.corpus.format import Format
from clism_core.preparation.corpus.lines import Counted, lines, zip_counted
from clism_core.preparation.schema import RejectReason


def read(path: str, config: CorpusConfig, limit: int | None) -> Generator[RawRow, None, int]:
    """Yield the first `limit` rows of the pair of files and return its number of rows.

    Raises `InputError` if a file cannot be read to its end, or the files differ in their number of lines.
    """
    assert config.target_path is not None
    sources, targets = (Counted(lines(each, limit, encoding=config.encoding)) for each in (path, config.target_path))
    pairs = Counted(zip_counted(sources, targets, path=path, other_path=config.target_path))
    for number, (source, target) in enumerate(pairs, start=1):
        reason = RejectReason.TOO_LONG if source is None or target is None else None
        yield RawRow(path, number, source, target, reason=reason)
    assert pairs.total is not None
    return pairs.total


FORMAT = Format(
    read=read,
    fields=frozenset({"target_path", "encoding"}),
    required={"target_path": "the file of the target language"},
    places="path and target_path",
    is_pair_of_files=True,
)
