"""The first stage: the corpora of a language pair become cleaned rows with words, or rows with a reason to reject them.

A language pair is read by one task, for gzip files cannot be entered in the middle and duplicates are looked for in all
of it; several pairs are read side by side.
"""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pyarrow as pa
from ray.data import Datasource, ReadTask
from ray.data.block import BlockMetadata

from clism_core.data.alignment.pharaoh import format_links, parse_links
from clism_core.data.cleaning import CleaningConfig, clean, is_too_long, text_reason
from clism_core.data.corpus import CorpusConfig, RawRow, read_rows
from clism_core.data.schema import ROW_SCHEMA, Reason, sample_id
from clism_core.data.tally import Tally
from clism_core.data.words import segment, whitespace_tokens

_ROWS_PER_TABLE = 10_000


class ParallelCorpora(Datasource):
    """The rows of all corpora as tables of `ROW_SCHEMA`: one read task a language pair, in the order of its lines."""

    def __init__(
        self, corpora: Sequence[CorpusConfig], *, cleaning: CleaningConfig, given_alignment: bool, tally: Tally
    ) -> None:
        self._pairs: dict[str, list[tuple[int, CorpusConfig]]] = {}
        for number, corpus in enumerate(corpora):
            self._pairs.setdefault(corpus.pair, []).append((number, corpus))
        self._cleaning = cleaning
        self._given_alignment = given_alignment
        self._tally = tally

    def estimate_inmemory_data_size(self) -> int | None:
        """Say that the size is not known: it takes reading to know."""
        return None

    def get_read_tasks(self, *_: Any, **__: Any) -> list[ReadTask]:
        """Return one task a language pair."""
        metadata = BlockMetadata(num_rows=None, size_bytes=None, input_files=None, exec_stats=None)
        return [ReadTask(self._reader(corpora), metadata, ROW_SCHEMA) for corpora in self._pairs.values()]

    @property
    def pairs(self) -> list[str]:
        """The language pairs, in the order in which they first appear."""
        return list(self._pairs)

    def _reader(self, corpora: list[tuple[int, CorpusConfig]]) -> Callable[[], Iterator[pa.Table]]:
        # Bound to locals: a read task that holds `self` would carry all corpora.
        cleaning, given_alignment, tally = self._cleaning, self._given_alignment, self._tally

        def read() -> Iterator[pa.Table]:
            return read_pair(corpora, cleaning=cleaning, given_alignment=given_alignment, tally=tally)

        return read


def read_pair(
    corpora: Sequence[tuple[int, CorpusConfig]], *, cleaning: CleaningConfig, given_alignment: bool, tally: Tally
) -> Iterator[pa.Table]:
    """Yield the rows of one language pair; `corpora` come with their numbers. The first of equal pairs is kept."""
    seen: set[bytes] = set()
    rows: list[dict[str, Any]] = []
    for number, corpus in corpora:
        beyond_cap = 0
        for count, raw in enumerate(read_rows(corpus)):
            if corpus.max_pairs is not None and count >= corpus.max_pairs:
                beyond_cap += 1
                continue
            row = make_row(raw, corpus=corpus, number=number, cleaning=cleaning, given_alignment=given_alignment)
            if row["reason"] is None and _seen_before(row, seen):
                row["reason"] = Reason.DUPLICATE
            rows.append(row)
            if len(rows) == _ROWS_PER_TABLE:
                tally.add("read", len(rows))
                yield pa.Table.from_pylist(rows, schema=ROW_SCHEMA)
                rows = []
        tally.set_beyond_cap(corpus.pair, corpus=number, rows=beyond_cap)
    tally.add("read", len(rows))
    yield pa.Table.from_pylist(rows, schema=ROW_SCHEMA)


def make_row(
    raw: RawRow, *, corpus: CorpusConfig, number: int, cleaning: CleaningConfig, given_alignment: bool
) -> dict[str, Any]:
    """Return the row of `ROW_SCHEMA` for a line: decoded, cleaned and cut into words, or with a reason."""
    row: dict[str, Any] = dict.fromkeys(ROW_SCHEMA.names) | {
        "sample_id": sample_id(pair=corpus.pair, corpus=number, line=raw.line),
        "source_lang": corpus.source_lang,
        "target_lang": corpus.target_lang,
        "input": raw.path,
        "line": raw.line,
        "reason": raw.reason,
    }
    row["origin"] = None if raw.origin is None else clean(raw.origin)
    if raw.reason is not None:
        row["source"], row["target"] = raw.source, raw.target
        return row
    assert raw.source is not None
    assert raw.target is not None
    source, target = raw.source, raw.target
    row["source"], row["target"] = clean(source), clean(target)
    row["reason"] = text_reason(source, target, cleaned_source=row["source"], cleaned_target=row["target"])
    if row["reason"] is not None:
        return row
    cut = whitespace_tokens if given_alignment else segment
    row["source_words"], row["target_words"] = cut(row["source"]), cut(row["target"])
    if any(is_too_long(row[side], row[f"{side}_words"], cleaning) for side in ("source", "target")):
        row["reason"] = Reason.TOO_LONG
    elif given_alignment:
        assert raw.alignment is not None
        row["alignment"] = _checked_alignment(raw.alignment, len(source.split()), len(target.split()), row)
        if row["alignment"] is None:
            row["reason"] = Reason.INVALID_ALIGNMENT
    return row


def _checked_alignment(line: str, source_count: int, target_count: int, row: dict[str, Any]) -> str | None:
    """Return the given alignment, None where it does not fit the words of the line, or cleaning has removed one."""
    links = parse_links(line)
    if links is None or (len(row["source_words"]), len(row["target_words"])) != (source_count, target_count):
        return None
    if any(i >= source_count or j >= target_count for i, j in links):
        return None
    return format_links(links)


def _seen_before(row: dict[str, Any], seen: set[bytes]) -> bool:
    # A tab cannot be in cleaned text. Digests keep the set of a large corpus small.
    digest = hashlib.blake2b(f"{row['source']}\t{row['target']}".encode(), digest_size=16).digest()
    known = digest in seen
    seen.add(digest)
    return known
