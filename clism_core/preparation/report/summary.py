"""Figures of a language pair that both the page and the terminal show, in words."""

from collections.abc import Mapping
from typing import NamedTuple

from clism_core.preparation.manifest import PairCounts
from clism_core.preparation.statistics import Histogram, OriginCounts, Statistics, mean, quantile

NO_ORIGIN = "(no origin)"
OTHER_ORIGINS = "(other origins)"


class Origin(NamedTuple):
    """The counts of one origin."""

    name: str
    rows: int
    samples: int
    spans: int
    rejects: dict[str, int]


def percent(part: float, whole: float) -> str:
    """Return a share such as `12.3%`; `-` of nothing."""
    return f"{100 * part / whole:.1f}%" if whole else "-"


def ranked(counts: Mapping[str, int], *, shown: int) -> list[tuple[str, int]]:
    """Return the `shown` greatest counts, the greatest first, and the sum of all others as `(N others)`."""
    order = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    others = order[shown:]
    return order[:shown] + ([(f"({len(others)} others)", sum(count for _, count in others))] if others else [])


def spread(histogram: Histogram) -> str:
    """Return `mean 3.4, median 3, 90% at most 6, greatest 14`; a median in a wider bin is `10-14`."""
    if not histogram["counts"]:
        return "none"
    low, high = quantile(histogram, 0.5)
    median = str(low) if low == high else f"{low}-{high}"
    _, most = quantile(histogram, 0.9)
    return f"mean {mean(histogram):.1f}, median {median}, 90% at most {most}, greatest {histogram['max']:,}"


def coverage(statistics: Statistics) -> tuple[str, str]:
    """Return the shares of source words and of target words that have a link."""
    return (
        percent(statistics["source_aligned"], statistics["source_words"]["sum"]),
        percent(statistics["target_aligned"], statistics["target_words"]["sum"]),
    )


def origins(statistics: Statistics) -> list[Origin]:
    """Return the counts by origin, that of most rows first, those that were counted together last."""
    named = [_origin(name or NO_ORIGIN, counts) for name, counts in statistics["origins"].items()]
    others = _origin(OTHER_ORIGINS, statistics["other_origins"])
    return sorted(named, key=lambda origin: -origin.rows) + ([others] if others.rows else [])


def outcome(counts: PairCounts) -> list[tuple[str, int]]:
    """Return what became of the rows: samples first, then the rejects by reason, the most frequent one first."""
    return [("samples", counts["samples"]), *ranked(counts["rejects"], shown=len(counts["rejects"]))]


def _origin(name: str, counts: OriginCounts) -> Origin:
    rejects = dict(ranked(counts["rejects"], shown=len(counts["rejects"])))
    return Origin(name, counts["samples"] + sum(rejects.values()), counts["samples"], counts["spans"], rejects)
