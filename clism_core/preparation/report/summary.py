"""Formatted figures of a language pair, shared by the HTML report and the terminal."""

from collections.abc import Mapping
from typing import NamedTuple

from clism_core.preparation.manifest import PairCounts
from clism_core.preparation.statistics import Histogram, OriginCounts, Statistics, mean, quantile

NO_ORIGIN = "(no origin)"
OTHER_ORIGINS = "(other origins)"


class Origin(NamedTuple):
    """Counts of one origin."""

    name: str
    rows: int
    samples: int
    spans: int
    rejects: dict[str, int]


def percent(part: float, whole: float) -> str:
    """Return a percentage such as `12.3%`, or `-` if `whole` is zero."""
    return f"{100 * part / whole:.1f}%" if whole else "-"


def ranked(counts: Mapping[str, int], *, shown: int) -> list[tuple[str, int]]:
    """Return the `shown` greatest counts in descending order, and the sum of all others as `(N others)`."""
    order = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    others = order[shown:]
    return order[:shown] + ([(f"({len(others)} others)", sum(count for _, count in others))] if others else [])


def spread(histogram: Histogram) -> str:
    """Return `mean 3.4, median 3, 90% at most 6, max 14`; a median in a bin of several values is shown as `10-14`."""
    if not histogram["counts"]:
        return "none"
    low, high = quantile(histogram, 0.5)
    median = str(low) if low == high else f"{low}-{high}"
    _, high = quantile(histogram, 0.9)
    return f"mean {mean(histogram):.1f}, median {median}, 90% at most {high}, max {histogram['max']:,}"


def coverage(statistics: Statistics) -> tuple[str, str]:
    """Return the percentages of source words and of target words that have a link."""
    return (
        percent(statistics["source_aligned"], statistics["source_words"]["sum"]),
        percent(statistics["target_aligned"], statistics["target_words"]["sum"]),
    )


def origins(statistics: Statistics) -> list[Origin]:
    """Return the counts by origin, in descending order of rows, with the total of other origins last."""
    named = [_origin(name or NO_ORIGIN, counts) for name, counts in statistics["origins"].items()]
    others = _origin(OTHER_ORIGINS, statistics["other_origins"])
    return sorted(named, key=lambda origin: -origin.rows) + ([others] if others.rows else [])


def outcome(counts: PairCounts) -> list[tuple[str, int]]:
    """Return the number of rows by outcome: samples first, then rejects by reason, in descending order."""
    return [("samples", counts["samples"]), *ranked(counts["rejects"], shown=len(counts["rejects"]))]


def _origin(name: str, counts: OriginCounts) -> Origin:
    rejects = dict(ranked(counts["rejects"], shown=len(counts["rejects"])))
    return Origin(name, counts["samples"] + sum(rejects.values()), counts["samples"], counts["spans"], rejects)
