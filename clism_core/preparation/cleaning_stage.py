"""First stage of preparation: split corpora into shards, clean their rows and segment them into words, or reject them.

A corpus is read by a single task, because compressed files cannot be read from the middle. To be fast, this task only
splits the rows into shards; the shards are cleaned in parallel.
"""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pyarrow as pa
from ray.data import Datasource, ReadTask
from ray.data.block import BlockMetadata

from clism_core.preparation.alignment.pharaoh import format_links
from clism_core.preparation.cleaning import CleaningConfig, clean, is_too_long, text_reason
from clism_core.preparation.corpus import CappedRows, CorpusConfig, RawRow
from clism_core.preparation.given_alignment import count_words, given_links
from clism_core.preparation.language import is_wrong_language
from clism_core.preparation.markup import without_markup
from clism_core.preparation.schema import ROW_SCHEMA, RejectReason, sample_id, words_array
from clism_core.utils.arrow import read_stream, stream_bytes
from clism_core.utils.errors import InputError
from clism_core.utils.words import segment, whitespace_tokens

RAW_SHARD_SCHEMA = pa.schema(
    [
        *((name, pa.int64()) for name in ("corpus", "first_row", "rows", "beyond_cap")),
        ("raw", pa.large_binary()),
    ]
)
"""Shard as produced by the reader: `raw` is its table in Arrow's stream format, null if the shard is already cleaned.

The last row of a corpus has a null `first_row`: its `rows` is the number of rows up to the cap, and its
`beyond_cap` the number of rows after it.
"""

_MAX_CHARACTERS = 64_000_000
"""Maximum number of characters per shard, regardless of its number of rows."""
_MAX_ROWS = 999_999_999
"""Maximum number of rows per corpus, limited by the digits of a row id."""

_RAW_COLUMNS = RawRow._fields
_RAW_SCHEMA = pa.schema([(name, pa.int64() if name == "line" else pa.string()) for name in _RAW_COLUMNS])


class RawShards(Datasource):
    """Datasource of uncleaned shards, with one read task per corpus. A row is a shard, so that Ray never splits one."""

    def __init__(self, corpora: dict[int, CorpusConfig], *, rows_per_shard: int, cleaned: set[str]) -> None:
        self._corpora = corpora
        self._rows_per_shard = rows_per_shard
        self._cleaned = cleaned

    def estimate_inmemory_data_size(self) -> int | None:
        """Return None: the size is unknown before reading."""
        return None

    def get_read_tasks(self, *_: Any, **__: Any) -> list[ReadTask]:
        """Return one task per corpus."""
        metadata = BlockMetadata(num_rows=None, size_bytes=None, input_files=None, exec_stats=None)
        return [
            ReadTask(self._reader(number, corpus), metadata, RAW_SHARD_SCHEMA)
            for number, corpus in self._corpora.items()
        ]

    def _reader(self, number: int, corpus: CorpusConfig) -> Callable[[], Iterator[pa.Table]]:
        # Use local variables: a read task that references `self` would carry all corpora.
        prefix = shard_name(corpus, number=number, first_row=0)[: -len("000000000")]
        cleaned = {name for name in self._cleaned if name.startswith(prefix)}
        rows_per_shard = self._rows_per_shard

        def read() -> Iterator[pa.Table]:
            return read_shards(corpus, number=number, rows_per_shard=rows_per_shard, cleaned=cleaned)

        return read


def shard_name(corpus: CorpusConfig, *, number: int, first_row: int) -> str:
    """Return the name of a shard and of its files: the id of its first row, with dashes for slashes."""
    return sample_id(pair=corpus.pair, corpus=number, row=first_row).replace("/", "-")


def read_shards(corpus: CorpusConfig, *, number: int, rows_per_shard: int, cleaned: set[str]) -> Iterator[pa.Table]:
    """Yield each shard as a table with one row of `RAW_SHARD_SCHEMA`; shards named in `cleaned` come without rows."""
    capped = CappedRows(corpus)
    rows = iter(capped)
    first_row = 1
    while shard := _take(rows, rows_per_shard):
        done = shard_name(corpus, number=number, first_row=first_row) in cleaned
        yield _raw_shard(number, first_row, len(shard), None if done else _pack(shard))
        first_row += len(shard)
        if first_row > _MAX_ROWS:
            raise InputError(f"corpora: {corpus.path} has more than {_MAX_ROWS:,} rows; split it into several corpora")
    assert capped.beyond_cap is not None
    yield _raw_shard(number, None, first_row - 1, None, beyond_cap=capped.beyond_cap)


def _take(rows: Iterator[RawRow], max_rows: int) -> list[RawRow]:
    shard: list[RawRow] = []
    characters = 0
    for row in rows:
        shard.append(row)
        characters += len(row.source or "") + len(row.target or "")
        if len(shard) == max_rows or characters >= _MAX_CHARACTERS:
            break
    return shard


def clean_shard(
    raw: bytes, *, first_row: int, corpus: CorpusConfig, number: int, cleaning: CleaningConfig, given_alignment: bool
) -> pa.Table:
    """Return the rows of a shard as a table of `ROW_SCHEMA`."""
    columns = read_stream(raw, title="shard").to_pydict()
    rows = [
        make_row(RawRow(*values), corpus=corpus, cleaning=cleaning, given_alignment=given_alignment)
        for values in zip(*columns.values(), strict=True)
    ]
    constants = {"source_lang": corpus.source_lang, "target_lang": corpus.target_lang}
    ids = [sample_id(pair=corpus.pair, corpus=number, row=row) for row in range(first_row, first_row + len(rows))]
    arrays = []
    for name, kind in zip(ROW_SCHEMA.names, ROW_SCHEMA.types, strict=True):
        if name == "sample_id":
            arrays.append(pa.array(ids))
        elif name in constants:
            arrays.append(pa.repeat(constants[name], len(rows)))
        elif name in ("source_words", "target_words"):
            arrays.append(words_array([row.get(name) for row in rows]))
        else:
            arrays.append(pa.array([row.get(name) for row in rows], type=kind))
    return pa.table(arrays, schema=ROW_SCHEMA)


def make_row(raw: RawRow, *, corpus: CorpusConfig, cleaning: CleaningConfig, given_alignment: bool) -> dict[str, Any]:
    """Return the columns of `ROW_SCHEMA` known after cleaning: texts and words, or a reason to reject the row."""
    row: dict[str, Any] = {"input": raw.path, "line": raw.line, "reason": raw.reason}
    row["origin"] = None if raw.origin is None else clean(raw.origin)
    if raw.reason is not None:
        row["source"], row["target"] = raw.source, raw.target
        return row
    assert raw.source is not None
    assert raw.target is not None
    source, target = raw.source, raw.target
    if cleaning.markup:
        source, target = (without_markup(text, keep_words=given_alignment) for text in (source, target))
    row["markup"] = (source, target) != (raw.source, raw.target)
    row["source"], row["target"] = clean(source), clean(target)
    row["reason"] = text_reason(source, target, cleaned_source=row["source"], cleaned_target=row["target"])
    if row["reason"] is not None:
        return row
    if max(len(row["source"]), len(row["target"])) > cleaning.max_characters:
        row["reason"] = RejectReason.TOO_LONG
        return row
    for side, language in (("source", corpus.source_lang), ("target", corpus.target_lang)):
        row[f"{side}_words"] = whitespace_tokens(row[side]) if given_alignment else segment(row[side], language)
    if any(is_too_long(row[side], row[f"{side}_words"], cleaning) for side in ("source", "target")):
        row["reason"] = RejectReason.TOO_LONG
    elif cleaning.wrong_language and (
        is_wrong_language(row["source"], row["source_words"], language=corpus.source_lang)
        or is_wrong_language(row["target"], row["target_words"], language=corpus.target_lang)
    ):
        row["reason"] = RejectReason.WRONG_LANGUAGE
    elif given_alignment:
        row["alignment"] = _checked_alignment(raw, row, base=corpus.alignment_base)
        if row["alignment"] is None:
            row["reason"] = RejectReason.INVALID_ALIGNMENT
    if row["reason"] is None:
        # Cleaned text contains no tabs.
        text = f"{row['source']}\t{row['target']}"
        row["digest"] = hashlib.blake2b(text.encode(), digest_size=16).digest()
    return row


def _checked_alignment(raw: RawRow, row: dict[str, Any], *, base: int) -> str | None:
    """Return the given alignment; None if it does not fit the words of the line, or cleaning has removed a word."""
    assert raw.source is not None
    assert raw.target is not None
    assert raw.alignment is not None
    counts = count_words(raw.source), count_words(raw.target)
    if counts != (len(row["source_words"]), len(row["target_words"])):
        return None
    links = given_links(raw.alignment, base=base, counts=counts)
    return None if links is None else format_links(links)


def _pack(rows: Sequence[RawRow]) -> bytes:
    arrays = [
        pa.array(values, type=kind) for values, kind in zip(zip(*rows, strict=True), _RAW_SCHEMA.types, strict=True)
    ]
    return stream_bytes(pa.table(arrays, schema=_RAW_SCHEMA))


def _raw_shard(
    corpus: int, first_row: int | None, rows: int, raw: bytes | None, *, beyond_cap: int | None = None
) -> pa.Table:
    values = (corpus, first_row, rows, beyond_cap, raw)
    return pa.table([[value] for value in values], schema=RAW_SHARD_SCHEMA)
