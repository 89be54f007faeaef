"""Conversion of prepared samples to token ids and token spans, once per training run.

The ids are those of the plain sentences; `batches` masks them.
"""

from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from clism_core.model.tokenizer import TextTokenizer, token_span
from clism_core.utils.digests import text_hash

ENCODED_SPAN = pa.struct([(name, pa.int32()) for name in ("source_start", "source_end", "target_start", "target_end")])
ENCODED_SCHEMA = pa.schema(
    [
        ("sample_id", pa.string()),
        ("source_lang", pa.string()),
        ("target_lang", pa.string()),
        ("source_ids", pa.list_(pa.int32())),
        ("target_ids", pa.list_(pa.int32())),
        ("spans", pa.list_(ENCODED_SPAN)),
        ("source_key", pa.int64()),
        ("target_key", pa.int64()),
        ("unencodable_spans", pa.int32()),
    ]
)
SAMPLE_COLUMNS = ["sample_id", "source_lang", "target_lang", "source", "target", "spans"]


@dataclass(frozen=True)
class Span:
    """Question and answer as token ranges `[start, end)` of the plain sentences."""

    source_start: int
    source_end: int
    target_start: int
    target_end: int


@dataclass(frozen=True)
class EncodedSample:
    """Token ids of a sentence pair, without template tokens.

    `source_key` and `target_key` are equal for equal texts. `ordinal` is the sample's position in the order of data
    sets and ids, and `visit` the number of times that it has been drawn before; together they seed its masking.
    """

    source_ids: list[int]
    target_ids: list[int]
    spans: list[Span]
    source_key: int
    target_key: int
    ordinal: int = 0
    visit: int = 0

    @classmethod
    def from_row(cls, row: dict[str, Any]) -> "EncodedSample":
        """Build a sample from a row with `ENCODED_SCHEMA`, including its `ordinal` and `visit` if there are any."""
        fields = {name: row[name] for name in ("source_ids", "target_ids", "source_key", "target_key")}
        spans = [Span(**span) for span in row["spans"]]
        return cls(**fields, spans=spans, ordinal=row.get("ordinal", 0), visit=row.get("visit", 0))


def encode_row(text_tokenizer: TextTokenizer, row: dict[str, Any]) -> dict[str, Any]:
    """Tokenize a prepared sample; spans whose boundaries are inside a token are omitted and counted."""
    spans = row["spans"]
    source = text_tokenizer(
        row["source"], cuts=[span[edge] for span in spans for edge in ("source_start", "source_end")]
    )
    target = text_tokenizer(
        row["target"], cuts=[span[edge] for span in spans for edge in ("target_start", "target_end")]
    )
    encoded = []
    for span in spans:
        question = token_span(source.offsets, span["source_start"], span["source_end"])
        answer = token_span(target.offsets, span["target_start"], span["target_end"])
        if question is not None and answer is not None:
            encoded.append(
                dict(zip(ENCODED_SPAN.names, (question.start, question.end, answer.start, answer.end), strict=True))
            )
    return {
        "sample_id": row["sample_id"],
        "source_lang": row["source_lang"],
        "target_lang": row["target_lang"],
        "source_ids": source.ids,
        "target_ids": target.ids,
        "spans": encoded,
        "source_key": text_key(row["source"]),
        "target_key": text_key(row["target"]),
        "unencodable_spans": len(spans) - len(encoded),
    }


def text_key(text: str) -> int:
    """Return a signed 64-bit hash that is equal for equal texts, on every machine."""
    return text_hash(text) - 2**63


def encode_table(text_tokenizer: TextTokenizer, table: pa.Table) -> pa.Table:
    """Convert a table with the columns `SAMPLE_COLUMNS` to one with `ENCODED_SCHEMA`."""
    return pa.Table.from_pylist([encode_row(text_tokenizer, row) for row in table.to_pylist()], schema=ENCODED_SCHEMA)
