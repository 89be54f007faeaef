"""`report.html`: a self-contained page with charts and examples of prepared data, which needs no network.

The texts of a corpus are not trusted: they are embedded as escaped text or as JSON, never as HTML, and the page's
content security policy allows no script but its own.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import yaml
from babel import Locale, localedata
from markupsafe import Markup

from clism_core.preparation.manifest import Manifest, PairCounts
from clism_core.preparation.report.charts import histogram_svg
from clism_core.preparation.report.examples import MAX_SAMPLES, Examples
from clism_core.preparation.report.summary import Origin, coverage, origins, outcome, percent, ranked, spread
from clism_core.preparation.statistics import MAX_ORIGINS, Histogram, Statistics
from clism_core.utils import storage
from clism_core.utils.html_page import asset, content_policy, template
from clism_core.utils.language_pair import LanguagePair
from clism_core.utils.words import base_language, script_subtag

REPORT = "report.html"
MAX_EXAMPLES = 4000
"""Maximum number of samples on the page, over all language pairs."""
SHOWN_LABELS, SHOWN_ORIGINS = 16, 12
_RIGHT_TO_LEFT = frozenset({"Adlm", "Arab", "Aran", "Hebr", "Mand", "Nkoo", "Rohg", "Samr", "Syrc", "Thaa", "Yezi"})
"""Right-to-left scripts. Babel knows the direction of languages (Uzbek), not of scripts (Uzbek in Arabic script)."""

_CHARTS = [
    ("Spans per sample", "spans", "samples", {"spans": "spans_per_sample"}),
    ("Length of spans", "words", "spans", {"span": "span_words", "answer": "answer_words"}),
    ("Length of sentences", "words", "samples", {"source": "source_words", "target": "target_words"}),
    (
        "Words with a link",
        "% of a sentence's words",
        "samples",
        {"source": "source_coverage", "target": "target_coverage"},
    ),
]
"""Charts: title, meaning of a value, items of which shares are shown, and statistics by the name of their series."""


class Chart(NamedTuple):
    """Chart with the names of its series, each with its values as text."""

    title: str
    svg: Markup
    series: list[tuple[str, str]]


def write_report(manifest: Manifest, *, examples: Mapping[str, Examples], folder: str) -> str:
    """Write `report.html` into the prepared data at `folder`; return its path.

    Args:
        manifest: Manifest with the statistics of all language pairs.
        examples: Examples by language pair; pairs may be missing.
        folder: Local path or s3:// URI.
    """
    path = storage.join(folder, REPORT)
    storage.write_bytes(path, render_report(manifest, examples=examples).encode())
    return path


def render_report(manifest: Manifest, *, examples: Mapping[str, Examples]) -> str:
    """Return the report as HTML, for the arguments of `write_report`."""
    style, script = (_asset(name) for name in ("page.css", "page.js"))
    return template(__package__, "page.html", percent=percent).render(
        style=style,
        script=script,
        policy=content_policy(style=style, script=script),
        manifest=manifest,
        totals=_totals(manifest),
        pairs=[_pair(name, counts) for name, counts in manifest["pairs"].items()],
        config=yaml.safe_dump(manifest["config"], sort_keys=False, allow_unicode=True),
        data=embedded_data(manifest, examples),
    )


def embedded_data(manifest: Manifest, examples: Mapping[str, Examples]) -> list[dict[str, Any]]:
    """Return the data for the page's script: the language pairs with their samples and rejects."""
    shown = min(MAX_SAMPLES, MAX_EXAMPLES // max(len(examples), 1))
    pairs = {str(pair): pair for pair in map(LanguagePair.of, manifest["config"]["corpora"])}
    data = []
    for pair, counts in manifest["pairs"].items():
        languages = pairs[pair]
        chosen = examples.get(pair, Examples(samples=[], rejects={}))
        data.append(
            {
                "pair": pair,
                "source": {"lang": languages.source, "dir": direction(languages.source)},
                "target": {"lang": languages.target, "dir": direction(languages.target)},
                "samples": [_compact(sample) for sample in chosen["samples"][:shown]],
                "rejects": chosen["rejects"],
                "sample_count": counts["samples"],
                "reject_counts": counts["rejects"],
            }
        )
    return data


def direction(language: str) -> str:
    """Return the direction of text, `ltr` or `rtl`, by the script subtag if there is one, else by the language.

    For an unknown language it is `auto`, which depends on the first letter of the text.
    """
    if script := script_subtag(language):
        return "rtl" if script in _RIGHT_TO_LEFT else "ltr"
    language = base_language(language)
    return Locale.parse(language).text_direction if localedata.exists(language) else "auto"


def _compact(sample: Mapping[str, Any]) -> dict[str, Any]:
    """Return a sample with its spans and words as lists of numbers, which take a third of the space in JSON."""
    words = {
        side: [[word["start"], word["end"]] for word in sample[side] or ()] for side in ("source_words", "target_words")
    }
    spans = [
        [span[name] for name in ("source_start", "source_end", "target_start", "target_end", "label")]
        for span in sample["spans"]
    ]
    kept = {name: sample[name] for name in ("sample_id", "source", "target", "origin", "alignment")}
    return kept | words | {"spans": spans}


def _asset(name: str) -> Markup:
    return asset(__package__, name)


def _totals(manifest: Manifest) -> dict[str, int]:
    pairs = manifest["pairs"].values()
    return {
        "rows": sum(counts["rows"] for counts in pairs),
        "samples": sum(counts["samples"] for counts in pairs),
        "spans": sum(counts["spans"] for counts in pairs),
        "rejects": sum(sum(counts["rejects"].values()) for counts in pairs),
    }


def _pair(name: str, counts: PairCounts) -> dict[str, Any]:
    statistics = counts["statistics"]
    named: list[Origin] = origins(statistics)
    # If there are more than `MAX_ORIGINS`, the last entry is the total of all others.
    others = [named.pop()] if len(named) > MAX_ORIGINS else []
    return {
        "name": name,
        "counts": counts,
        "coverage": coverage(statistics),
        "outcome": outcome(counts),
        "labels": ranked(statistics["labels"], shown=SHOWN_LABELS),
        "origins": named[:SHOWN_ORIGINS] + others,
        "more_origins": len(named) - SHOWN_ORIGINS,
        "counted_origins": MAX_ORIGINS if others else 0,
        "charts": _charts(statistics) if counts["samples"] else [],
    }


def _charts(statistics: Statistics) -> list[Chart]:
    charts = []
    for title, x_label, y_label, names in _CHARTS:
        histograms: dict[str, Histogram] = {series: statistics[name] for series, name in names.items()}  # type: ignore[literal-required]
        series = [(name, spread(histogram)) for name, histogram in histograms.items()]
        description = f"{title}: " + "; ".join(f"{name}: {values}" for name, values in series)
        svg = histogram_svg(histograms, x_label=x_label, y_label=y_label, description=description)
        charts.append(Chart(title, svg, series))
    return charts
