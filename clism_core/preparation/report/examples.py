"""Samples and rejects shown in a report, selected by hash so that the selection does not depend on the order."""

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
"""Maximum number of samples shown per language pair."""
MAX_REJECTS = 10
"""Maximum number of rejects shown per language pair and reason."""
MAX_REJECT_CHARACTERS = 1000
"""Maximum length of the source and target of a reject: a row rejected as too long may have any length."""

Hashes = npt.NDArray[np.uint64]


class RejectExample(TypedDict):
    """Rejected row, with `source` and `target` truncated to `MAX_REJECT_CHARACTERS` and their full lengths."""

    input: str
    line: int
    origin: str | None
    source: str | None
    target: str | None
    source_characters: int
    target_characters: int


class Examples(TypedDict):
    """Examples of a language pair for a report."""

    samples: list[dict[str, Any]]
    """Rows of `SAMPLE_SCHEMA`, in the order of the hashes of their ids."""
    rejects: dict[str, list[RejectExample]]
    """Rejects by reason, in the order of the hashes of their line numbers."""


def choose_examples(samples: pa.Table, rejects: pa.Table) -> Examples:
    """Select examples from tables of `SAMPLE_SCHEMA` and `REJECT_SCHEMA`."""
    return Examples(samples=_choose_samples(samples), rejects=_choose_rejects(rejects))


def merge_examples(parts: Iterable[Examples]) -> Examples:
    """Return the examples that `choose_examples` would select from the combined tables of all `parts`."""
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
    """Drop the examples of a part that are unlikely to be among the examples of the whole language pair.

    Otherwise each of many parts would keep `MAX_SAMPLES`. The content of the other parts is not known yet, so they are
    assumed to be like this one, and ten times as many examples as expected are kept: hardly any is lost if samples, or
    the rejects of a reason, are up to ten times as frequent in this part as in the whole pair. One reject per reason is
    always kept, so that a reason that occurs only in this part is shown.

    Args:
        examples: Examples of the part; modified in place.
        rows: Number of rows of the language pair.
        part_rows: Number of rows of the part.
        part_samples: Number of samples of the part.
        part_rejects: Number of rejects of the part by reason.
    """
    limit = _likely_limit(MAX_SAMPLES, rows=rows, part_rows=part_rows, frequency=part_samples)
    examples["samples"] = [sample for sample in examples["samples"] if _sample_key(sample)[0] < limit]
    for reason, rejects in examples["rejects"].items():
        limit = _likely_limit(MAX_REJECTS, rows=rows, part_rows=part_rows, frequency=part_rejects[reason])
        examples["rejects"][reason] = rejects[:1] + [reject for reject in rejects[1:] if _reject_key(reject)[0] < limit]


def _likely_limit(shown: int, *, rows: int, part_rows: int, frequency: int) -> int:
    """Return the hash below which 10 * `shown` items of all `rows` are expected, given `frequency` in the part."""
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
    """Return the indices of the `count` smallest hashes of `texts`, including all ties with the last one."""
    hashes: Hashes = np.array([text_hash(text) for text in texts.to_pylist()], dtype=np.uint64)
    if len(hashes) <= count:
        return np.arange(len(hashes))
    return np.flatnonzero(hashes <= np.partition(hashes, count - 1)[count - 1])


def _lines(rejects: pa.Table) -> pa.ChunkedArray:
    return pc.cast(rejects["line"], pa.string())


def _sample_key(sample: dict[str, Any]) -> tuple[int, str]:
    return text_hash(sample["sample_id"]), sample["sample_id"]


def _reject_key(reject: RejectExample) -> tuple[int, str]:
    # Lines of several inputs have the same number, so that ties are broken by the input's name.
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
