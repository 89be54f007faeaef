"""Statistics of the samples and rejects of a language pair, computed per block and merged in any order.

All numbers are integers, so that sums are exact. The size is bounded for any number of rows.
"""

from collections.abc import Iterable, Mapping
from functools import reduce
from typing import NamedTuple, TypedDict

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from clism_core.preparation.report.examples import Examples, choose_examples, merge_examples
from clism_core.preparation.schema import REJECT_SCHEMA, SAMPLE_SCHEMA
from clism_core.utils.digests import text_hash

MAX_ORIGINS = 200
"""Maximum number of origins per language pair that are counted separately."""

Integers = npt.NDArray[np.int64]


class Histogram(TypedDict):
    """Counts of non-negative values: bin `i` counts values from `i * width` to below `(i + 1) * width`.

    Trailing empty bins are omitted. The last possible bin also counts all greater values.
    """

    width: int
    counts: list[int]
    sum: int
    max: int


class OriginCounts(TypedDict):
    """Counts of the rows of one origin."""

    samples: int
    spans: int
    rejects: dict[str, int]


class Statistics(TypedDict):
    """Properties of the samples of a language pair, and the origins of its rows."""

    origins: dict[str, OriginCounts]
    """Counts by origin, "" for rows without one; at most `MAX_ORIGINS`, those whose names have the smallest hashes."""
    other_origins: OriginCounts
    """Total counts of all other origins."""
    labels: dict[str, int]
    """Number of spans by label."""
    spans_per_sample: Histogram
    span_words: Histogram
    """Lengths of spans in source words."""
    answer_words: Histogram
    """Lengths of answers in target words."""
    source_words: Histogram
    """Lengths of sources in words."""
    target_words: Histogram
    source_aligned: int
    """Number of source words that have a link."""
    target_aligned: int
    source_coverage: Histogram
    """Percentage of source words that have a link, per sample, rounded down."""
    target_coverage: Histogram


class BlockStatistics(TypedDict):
    """Counts, statistics and examples of rows of one language pair; `rows` = `samples` + the sum of `rejects`."""

    rows: int
    samples: int
    spans: int
    rejects: dict[str, int]
    """Number of rejects by reason."""
    statistics: Statistics
    examples: Examples


HISTOGRAMS: Mapping[str, tuple[int, int]] = {
    "spans_per_sample": (1, 51),
    "span_words": (1, 51),
    "answer_words": (1, 51),
    "source_words": (5, 201),
    "target_words": (5, 201),
    "source_coverage": (5, 21),
    "target_coverage": (5, 21),
}
"""Width and maximum number of bins; the last bin of a coverage histogram is 100 % only."""


def block_statistics(samples: pa.Table, rejects: pa.Table) -> BlockStatistics:
    """Count the rows of one language pair.

    Args:
        samples: Table of `SAMPLE_SCHEMA`. Samples without words and alignment are left out of lengths and coverage.
        rejects: Table of `REJECT_SCHEMA`.

    Returns:
        statistics that can be written as JSON, and merged with those of other rows by `merge_statistics`.
    """
    return BlockStatistics(
        rows=samples.num_rows + rejects.num_rows,
        samples=samples.num_rows,
        spans=pc.sum(pc.list_value_length(samples["spans"])).as_py() or 0,
        rejects=_value_counts(rejects["reason"]),
        statistics=_statistics(samples, rejects),
        examples=choose_examples(samples, rejects),
    )


def merge_statistics(parts: Iterable[BlockStatistics]) -> BlockStatistics:
    """Return the statistics over the rows of all `parts` of one language pair, in any order.

    `parts` are consumed one by one; without parts, all counts are zero.
    """
    return reduce(_add, parts, block_statistics(SAMPLE_SCHEMA.empty_table(), REJECT_SCHEMA.empty_table()))


def mean(histogram: Histogram) -> float:
    """Return the mean of the values; NaN if there are none."""
    values = sum(histogram["counts"])
    return histogram["sum"] / values if values else float("nan")


def quantile(histogram: Histogram, share: float) -> tuple[int, int]:
    """Return the bin of the `share`-quantile, the smallest value that at least `share` (0 to 1) of all do not exceed.

    Returns:
        the smallest and greatest value of the bin; (0, 0) if there are no values.
    """
    cumulated = np.cumsum(histogram["counts"])
    if not len(cumulated):
        return 0, 0
    place = int(np.searchsorted(cumulated, share * cumulated[-1]))
    low = place * histogram["width"]
    is_last = place == len(cumulated) - 1  # which may be open-ended
    return low, histogram["max"] if is_last else low + histogram["width"] - 1


def _statistics(samples: pa.Table, rejects: pa.Table) -> Statistics:
    spans_per_sample = pc.fill_null(pc.list_value_length(samples["spans"]), 0)
    origins, other_origins = _cap_origins(_count_origins(samples["origin"], spans_per_sample, rejects))
    aligned = samples.filter(pc.is_valid(samples["alignment"])).combine_chunks()
    links = _links(aligned["alignment"])
    source, target = _Words(aligned, "source"), _Words(aligned, "target")
    source_linked, target_linked = source.named(links.sources, links.rows), target.named(links.targets, links.rows)
    return Statistics(
        origins=origins,
        other_origins=other_origins,
        labels=_value_counts(pc.struct_field(pc.list_flatten(samples["spans"]), "label")),
        spans_per_sample=_histogram("spans_per_sample", spans_per_sample.to_numpy()),
        span_words=_histogram("span_words", source.in_spans()),
        answer_words=_histogram("answer_words", target.in_spans()),
        source_words=_histogram("source_words", source.counts),
        target_words=_histogram("target_words", target.counts),
        source_aligned=int(source_linked.sum()),
        target_aligned=int(target_linked.sum()),
        source_coverage=_histogram("source_coverage", 100 * source_linked // np.maximum(source.counts, 1)),
        target_coverage=_histogram("target_coverage", 100 * target_linked // np.maximum(target.counts, 1)),
    )


class _Words:
    """Words of the sources or targets of all samples, concatenated."""

    def __init__(self, samples: pa.Table, side: str) -> None:
        self.counts: Integers = pc.list_value_length(samples[f"{side}_words"]).to_numpy().astype(np.int64)
        self._offsets = np.concatenate([[0], np.cumsum(self.counts)])
        starts = pc.struct_field(pc.list_flatten(samples[f"{side}_words"]), "start").to_numpy()
        self._keys = _key(np.repeat(np.arange(len(self.counts)), self.counts), starts)
        self._spans, self._side = samples["spans"], side

    def in_spans(self) -> Integers:
        """Return the number of words of each span; words that begin in it count, since spans end at word boundaries."""
        span_rows = pc.list_parent_indices(self._spans).to_numpy()
        spans = pc.list_flatten(self._spans)
        before_end, before_start = (
            np.searchsorted(self._keys, _key(span_rows, pc.struct_field(spans, f"{self._side}_{end}").to_numpy()))
            for end in ("end", "start")
        )
        lengths: Integers = before_end - before_start
        return lengths

    def named(self, words: Integers, rows: Integers) -> Integers:
        """Return the number of distinct words of each sample among `words`, given as indices within samples `rows`."""
        is_named = np.zeros(len(self._keys), dtype=np.int64)
        is_named[self._offsets[rows] + words] = 1
        cumulated = np.concatenate([[0], np.cumsum(is_named)])
        counts: Integers = cumulated[self._offsets[1:]] - cumulated[self._offsets[:-1]]
        return counts


class _Links(NamedTuple):
    """Links of all samples, as indices of source words, target words and samples."""

    sources: Integers
    targets: Integers
    rows: Integers


def _links(alignments: pa.ChunkedArray) -> _Links:
    rows = np.repeat(np.arange(len(alignments)), pc.count_substring(alignments, "-").to_numpy())
    text = " ".join(pc.replace_substring(alignments, "-", " ").to_pylist())
    numbers: Integers = np.fromstring(text, dtype=np.int64, sep=" ")
    return _Links(sources=numbers[0::2], targets=numbers[1::2], rows=rows)


def _key(rows: Integers, places: npt.NDArray[np.integer]) -> Integers:
    """Return numbers that sort by row and, within a row, by position in the text."""
    return (rows.astype(np.int64) << 32) + places


def _histogram(name: str, values: npt.NDArray[np.integer]) -> Histogram:
    width, bins = HISTOGRAMS[name]
    counts = np.bincount(np.minimum(values // width, bins - 1)).tolist()
    return Histogram(width=width, counts=counts, sum=int(values.sum()), max=int(values.max(initial=0)))


def _value_counts(values: pa.ChunkedArray | pa.Array) -> dict[str, int]:
    return dict(sorted((entry["values"], entry["counts"]) for entry in pc.value_counts(values).to_pylist()))


def _no_origin() -> OriginCounts:
    return OriginCounts(samples=0, spans=0, rejects={})


def _count_origins(origins: pa.ChunkedArray, spans: pa.ChunkedArray, rejects: pa.Table) -> dict[str, OriginCounts]:
    counted: dict[str, OriginCounts] = {}
    samples = pa.table({"origin": pc.fill_null(origins, ""), "spans": spans})
    for row in samples.group_by("origin").aggregate([("spans", "count"), ("spans", "sum")]).to_pylist():
        counted[row["origin"]] = OriginCounts(samples=row["spans_count"], spans=row["spans_sum"], rejects={})
    reasons = pa.table({"origin": pc.fill_null(rejects["origin"], ""), "reason": rejects["reason"]})
    for row in reasons.group_by(["origin", "reason"]).aggregate([([], "count_all")]).to_pylist():
        counts = counted.setdefault(row["origin"], _no_origin())
        counts["rejects"][row["reason"]] = row["count_all"]
    return counted


def _cap_origins(counted: dict[str, OriginCounts]) -> tuple[dict[str, OriginCounts], OriginCounts]:
    """Return the counts of `MAX_ORIGINS` origins, and the total counts of all others.

    Origins are selected by the smallest hashes of their names. An origin that is selected overall is also selected in
    every part, so that its counts are complete regardless of the order of merging.
    """
    names = sorted(counted, key=text_hash)
    other = _no_origin()
    for name in names[MAX_ORIGINS:]:
        other = _add_origins(other, counted[name])
    return {name: counted[name] for name in sorted(names[:MAX_ORIGINS])}, other


def _add(one: BlockStatistics, other: BlockStatistics) -> BlockStatistics:
    return BlockStatistics(
        rows=one["rows"] + other["rows"],
        samples=one["samples"] + other["samples"],
        spans=one["spans"] + other["spans"],
        rejects=_add_counts(one["rejects"], other["rejects"]),
        statistics=_add_statistics(one["statistics"], other["statistics"]),
        examples=merge_examples([one["examples"], other["examples"]]),
    )


def _add_statistics(one: Statistics, other: Statistics) -> Statistics:
    counted = dict(one["origins"])
    for name, counts in other["origins"].items():
        counted[name] = _add_origins(counted.get(name, _no_origin()), counts)
    origins, beyond = _cap_origins(counted)
    return Statistics(
        origins=origins,
        other_origins=_add_origins(_add_origins(one["other_origins"], other["other_origins"]), beyond),
        labels=_add_counts(one["labels"], other["labels"]),
        spans_per_sample=_add_histograms(one["spans_per_sample"], other["spans_per_sample"]),
        span_words=_add_histograms(one["span_words"], other["span_words"]),
        answer_words=_add_histograms(one["answer_words"], other["answer_words"]),
        source_words=_add_histograms(one["source_words"], other["source_words"]),
        target_words=_add_histograms(one["target_words"], other["target_words"]),
        source_aligned=one["source_aligned"] + other["source_aligned"],
        target_aligned=one["target_aligned"] + other["target_aligned"],
        source_coverage=_add_histograms(one["source_coverage"], other["source_coverage"]),
        target_coverage=_add_histograms(one["target_coverage"], other["target_coverage"]),
    )


def _add_counts(one: Mapping[str, int], other: Mapping[str, int]) -> dict[str, int]:
    return {name: one.get(name, 0) + other.get(name, 0) for name in sorted(one.keys() | other.keys())}


def _add_origins(one: OriginCounts, other: OriginCounts) -> OriginCounts:
    return OriginCounts(
        samples=one["samples"] + other["samples"],
        spans=one["spans"] + other["spans"],
        rejects=_add_counts(one["rejects"], other["rejects"]),
    )


def _add_histograms(one: Histogram, other: Histogram) -> Histogram:
    longer, shorter = sorted((one["counts"], other["counts"]), key=len, reverse=True)
    counts = [count + (shorter[place] if place < len(shorter) else 0) for place, count in enumerate(longer)]
    return Histogram(
        width=one["width"], counts=counts, sum=one["sum"] + other["sum"], max=max(one["max"], other["max"])
    )
