"""The samples and rejects that a report shows: drawn by hashes, so that the drawing does not depend on the order."""

import heapq
from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any, TypedDict

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from clism_core.utils.digests import text_hash

MAX_SAMPLES = 200
"""Samples shown of a language pair."""
MAX_REJECTS = 10
"""Rejects shown of a language pair and reason."""
MAX_REJECT_CHARACTERS = 1000
"""Of each side of a reject; one that was rejected as too long may be of any length."""

Hashes = npt.NDArray[np.uint64]


class RejectExample(TypedDict):
    """A rejected row; `source` and `target` are cut to `MAX_REJECT_CHARACTERS`, their full lengths stand beside."""

    input: str
    line: int
    origin: str | None
    source: str | None
    target: str | None
    source_characters: int
    target_characters: int


class Examples(TypedDict):
    """What a report shows of a language pair."""

    samples: list[dict[str, Any]]
    """Rows of `SAMPLE_SCHEMA`, in the order of the hashes of their ids."""
    rejects: dict[str, list[RejectExample]]
    """By reason, in the order of the hashes of their line numbers."""


def choose_examples(samples: pa.Table, rejects: pa.Table) -> Examples:
    """Draw examples from tables of `SAMPLE_SCHEMA` and `REJECT_SCHEMA`."""
    return Examples(samples=_choose_samples(samples), rejects=_choose_rejects(rejects))


def merge_examples(parts: Iterable[Examples]) -> Examples:
    """Return the examples that `choose_examples` draws from the tables of all `parts` together."""
    samples: list[dict[str, Any]] = []
    rejects: dict[str, list[RejectExample]] = defaultdict(list)
    for part in parts:
        samples = heapq.nsmallest(MAX_SAMPLES, [*samples, *part["samples"]], key=_sample_key)
        for reason, rows in part["rejects"].items():
            rejects[reason] = heapq.nsmallest(MAX_REJECTS, [*rejects[reason], *rows], key=_reject_key)
    return Examples(samples=samples, rejects=dict(sorted(rejects.items())))


def drop_examples(
    examples: Examples, *, rows: int, part_rows: int, part_samples: int, part_rejects: Mapping[str, int]
) -> None:
    """Take away the examples of a part of a language pair that will hardly be among those of the whole pair.

    A corpus of many parts would otherwise keep `MAX_SAMPLES` of each. As nobody knows yet what the other parts hold,
    they are taken to be like this one, and ten times too many stay: where samples, or the rejects of a reason, are up
    to ten times as frequent here as in the whole pair, hardly any is missed. One reject of each reason stays in any
    case, so that a reason which this part alone has is shown.

    Args:
        examples: Of the part; changed in place.
        rows: Rows of the language pair.
        part_rows: Rows of the part.
        part_samples: Samples of the part.
        part_rejects: Rejects of the part by reason.
    """
    limit = _likely_limit(MAX_SAMPLES, rows=rows, part_rows=part_rows, frequency=part_samples)
    examples["samples"] = [sample for sample in examples["samples"] if _sample_key(sample)[0] < limit]
    for reason, rejects in examples["rejects"].items():
        limit = _likely_limit(MAX_REJECTS, rows=rows, part_rows=part_rows, frequency=part_rejects[reason])
        examples["rejects"][reason] = rejects[:1] + [reject for reject in rejects[1:] if _reject_key(reject)[0] < limit]


def _likely_limit(shown: int, *, rows: int, part_rows: int, frequency: int) -> int:
    """Return a hash below which ten times `shown` of `rows` are, of which as many count as `frequency` of a part."""
    return 10 * shown * 2**64 * part_rows // max(rows * frequency, 1)


def _choose_samples(samples: pa.Table) -> list[dict[str, Any]]:
    chosen = _smallest(samples["sample_id"], MAX_SAMPLES)
    return sorted(samples.take(chosen).to_pylist(), key=_sample_key)


def _choose_rejects(rejects: pa.Table) -> dict[str, list[RejectExample]]:
    chosen: dict[str, list[RejectExample]] = {}
    for reason in sorted(pc.unique(rejects["reason"]).to_pylist()):
        rows = rejects.filter(pc.equal(rejects["reason"], reason))
        drawn = [_reject_example(row) for row in rows.take(_smallest(_lines(rows), MAX_REJECTS)).to_pylist()]
        chosen[reason] = sorted(drawn, key=_reject_key)[:MAX_REJECTS]
    return chosen


def _smallest(texts: pa.ChunkedArray, count: int) -> npt.NDArray[np.intp]:
    """Return the places of the `count` smallest hashes of `texts`, and of all that are equal to the last of them."""
    hashes: Hashes = np.array([text_hash(text) for text in texts.to_pylist()], dtype=np.uint64)
    if len(hashes) <= count:
        return np.arange(len(hashes))
    return np.flatnonzero(hashes <= np.partition(hashes, count - 1)[count - 1])


def _lines(rejects: pa.Table) -> pa.ChunkedArray:
    return pc.cast(rejects["line"], pa.string())


def _sample_key(sample: dict[str, Any]) -> tuple[int, str]:
    return text_hash(sample["sample_id"]), sample["sample_id"]


def _reject_key(reject: RejectExample) -> tuple[int, str]:
    # Lines of several inputs share their numbers, and one input may be given by several paths: the name decides last.
    return text_hash(str(reject["line"])), reject["input"]


def _reject_example(row: dict[str, Any]) -> RejectExample:
    source, target = row["source"], row["target"]
    return RejectExample(
        input=row["input"],
        line=row["line"],
        origin=row["origin"],
        source=source and source[:MAX_REJECT_CHARACTERS],
        target=target and target[:MAX_REJECT_CHARACTERS],
        source_characters=len(source or ""),
        target_characters=len(target or ""),
    )
