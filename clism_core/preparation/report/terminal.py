"""Statistics of prepared data as plain text."""

from collections.abc import Sequence, Set

from tabulate import tabulate

from clism_core.preparation.manifest import Manifest, PairCounts
from clism_core.preparation.report.summary import coverage, origins, outcome, percent, ranked, spread
from clism_core.preparation.statistics import Statistics
from clism_core.utils.text import printable

SHOWN_LABELS, SHOWN_ORIGINS = 20, 20


def format_statistics(manifest: Manifest) -> str:
    """Return a summary of prepared data for the terminal: a table of all language pairs, then tables for each pair.

    `manifest` contains the statistics of all language pairs, as returned by `manifest_with_statistics`.
    """
    pairs = manifest["pairs"].items()
    header = ["pair", "rows", "samples", "", "spans", "rejects", "", "beyond cap"]
    rows = [_pair_row(pair, counts) for pair, counts in pairs]
    blocks = [
        f"{manifest['samples']:,} samples, {manifest['rejects']:,} rejects; fingerprint {manifest['fingerprint'][:16]}",
        _table(header, rows),
        *(_pair_block(pair, counts, counts["statistics"]) for pair, counts in pairs),
    ]
    return "\n\n".join(blocks)


def _pair_row(pair: str, counts: PairCounts) -> list[str]:
    rejects = sum(counts["rejects"].values())
    return [
        pair,
        f"{counts['rows']:,}",
        f"{counts['samples']:,}",
        percent(counts["samples"], counts["rows"]),
        f"{counts['spans']:,}",
        f"{rejects:,}",
        percent(rejects, counts["rows"]),
        f"{counts['beyond_cap']:,}",
    ]


def _pair_block(pair: str, counts: PairCounts, statistics: Statistics) -> str:
    source_coverage, target_coverage = coverage(statistics)
    lengths = [
        ["spans per sample", spread(statistics["spans_per_sample"])],
        ["words per span", spread(statistics["span_words"])],
        ["words per answer", spread(statistics["answer_words"])],
        ["words per source", spread(statistics["source_words"])],
        ["words per target", spread(statistics["target_words"])],
        ["words with a link", f"{source_coverage} of the source, {target_coverage} of the target"],
    ]
    if "partial_answers" in counts:
        lengths.append(["partial answers left out", f"{counts['partial_answers']:,}"])
    if "markup" in counts:
        lengths.append(["rows with markup", f"{counts['markup']:,}"])
    outcomes = [[name, f"{rows:,}", percent(rows, counts["rows"])] for name, rows in outcome(counts)]
    labels = [
        [label, f"{spans:,}", percent(spans, counts["spans"])]
        for label, spans in ranked(statistics["labels"], shown=SHOWN_LABELS)
    ]
    tables = [
        _aligned(lengths, left={0, 1}),
        _table(["outcome", "rows", ""], outcomes),
        _table(["origin", "rows", "samples", "", "spans", "rejects"], _origin_rows(statistics), left={0, 5}),
        _table(["label", "spans", ""], labels),
    ]
    return "\n\n".join([f"{pair}\n{'=' * len(pair)}", *tables])


def _origin_rows(statistics: Statistics) -> list[list[str]]:
    counted = origins(statistics)
    rows = [
        [
            origin.name,
            f"{origin.rows:,}",
            f"{origin.samples:,}",
            percent(origin.samples, origin.rows),
            f"{origin.spans:,}",
            ", ".join(f"{reason} {rows:,}" for reason, rows in origin.rejects.items()),
        ]
        for origin in counted[:SHOWN_ORIGINS]
    ]
    beyond = len(counted) - SHOWN_ORIGINS
    return rows + ([[f"(and {beyond} more)", "", "", "", "", ""]] if beyond > 0 else [])


def _table(header: Sequence[str], rows: Sequence[Sequence[str]], *, left: Set[int] = frozenset({0})) -> str:
    rule = ["-" * len(name) for name in header]
    return _aligned([header, rule, *rows], left=left)


def _aligned(rows: Sequence[Sequence[str]], *, left: Set[int]) -> str:
    """Return rows in columns of equal width, `left` ones aligned to the left and numbers to the right."""
    cells = [[printable(cell) for cell in row] for row in rows]
    alignment = ["left" if place in left else "right" for place in range(len(cells[0]))]
    return str(tabulate(cells, tablefmt="plain", colalign=alignment, disable_numparse=True))
