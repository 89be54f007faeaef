"""Moses pairs: two files, line i of one translates line i of the other."""

from collections.abc import Generator

from clism_core.preparation.corpus.config import CorpusConfig, RawRow
from clism_core.preparation.corpus.lines import Counted, lines, side_by_side
from clism_core.preparation.schema import Reason


def read(path: str, config: CorpusConfig, limit: int | None) -> Generator[RawRow, None, int]:
    """Yield the first `limit` rows of the pair of files; return how many it has.

    Raises `InputError` where a file cannot be read to its end, or one has more lines than the other.
    """
    assert config.target_path is not None
    sources, targets = Counted(lines(path, limit)), Counted(lines(config.target_path, limit))
    pairs = Counted(side_by_side(sources, targets, path=path, other_path=config.target_path))
    for number, (source, target) in enumerate(pairs, start=1):
        reason = Reason.TOO_LONG if source is None or target is None else None
        yield RawRow(path, number, source, target, reason=reason)
    assert pairs.total is not None
    return pairs.total
