"""A small prepared data set for the tests of the report: Arabic, Vietnamese, and a malicious corpus."""

from typing import Any

import pyarrow as pa

from clism_core.preparation.manifest import Manifest, pair_counts
from clism_core.preparation.report.examples import Examples
from clism_core.preparation.schema import REJECT_SCHEMA, SAMPLE_SCHEMA
from clism_core.preparation.statistics import BlockStatistics, block_statistics

SCRIPT = "</script><script>document.title = 'harm'</script><img src=x onerror=\"document.title = 'harm'\">"
OVERRIDE, LINE_SEPARATOR = "\u202e", "\u2028"
ORIGIN = "<b>news & 'views'</b>"


def words(*ends: tuple[int, int]) -> list[dict[str, int]]:
    return [{"start": start, "end": end} for start, end in ends]


def span(source: tuple[int, int], target: tuple[int, int], label: str) -> dict[str, Any]:
    names = ("source_start", "source_end", "target_start", "target_end", "label")
    return dict(zip(names, (*source, *target, label), strict=True))


def sample(number: int, target_lang: str, **columns: Any) -> dict[str, Any]:
    return {
        "sample_id": f"en-{target_lang}/00/{number:09d}",
        "source_lang": "en",
        "target_lang": target_lang,
        "origin": "news",
        **columns,
    }


ARABIC = [
    # An emoji is one code point, but two characters in JavaScript.
    sample(
        1,
        "ar",
        source="😀 Henry lives in Rome",
        target="هنري يعيش في روما",
        spans=[span((2, 7), (0, 4), "PERSON"), span((17, 21), (13, 17), "GPE")],
        source_words=words((0, 1), (2, 7), (8, 13), (14, 16), (17, 21)),
        target_words=words((0, 4), (5, 9), (10, 12), (13, 17)),
        alignment="1-0 2-1 3-2 4-3",
    ),
    sample(
        2,
        "ar",
        source="Rome sleeps",
        target="روما تنام",
        spans=[span((0, 4), (0, 4), "GPE")],
        source_words=words((0, 4), (5, 11)),
        target_words=words((0, 4), (5, 9)),
        alignment="0-0 1-1",
        origin=None,
    ),
]
VIETNAMESE = [
    sample(
        number,
        "vi",
        source="Rome sleeps",
        target="Roma ngủ",
        spans=[span((0, 4), (0, 4), "GPE")],
        source_words=words((0, 4), (5, 11)),
        target_words=words((0, 4), (5, 8)),
        alignment="0-0",
    )
    for number in range(45)
]
HARMFUL = [
    sample(
        1,
        "<i>",
        source=SCRIPT,
        target=f"a{OVERRIDE}b{LINE_SEPARATOR}c",
        spans=[span((0, 9), (0, 1), "<u>")],
        source_words=words((0, 9)),
        target_words=words((0, 1)),
        alignment="0-0",
        origin=ORIGIN,
    )
]


def reject(line: int, target_lang: str, reason: str, *, source: str | None, target: str | None) -> dict[str, Any]:
    return {
        "input": "corpora/a.tsv",
        "line": line,
        "source_lang": "en",
        "target_lang": target_lang,
        "origin": "news",
        "source": source,
        "target": target,
        "reason": reason,
    }


REJECTS = [
    reject(3, "ar", "no_span", source="It rains", target="تمطر"),
    reject(4, "ar", "no_span", source="It snows", target="تثلج"),
    reject(5, "ar", "wrong_column_count", source=None, target=None),
    reject(6, "ar", "too_long", source="x" * 1234, target=""),
    reject(2, "<i>", "no_span", source=SCRIPT, target=OVERRIDE),
]


def tables() -> dict[str, tuple[pa.Table, pa.Table]]:
    """Return samples and rejects by language pair."""
    return {
        f"en-{language}": (
            pa.Table.from_pylist(samples, SAMPLE_SCHEMA),
            pa.Table.from_pylist([row for row in REJECTS if row["target_lang"] == language], REJECT_SCHEMA),
        )
        for language, samples in (("ar", ARABIC), ("vi", VIETNAMESE), ("<i>", HARMFUL))
    }


def blocks() -> dict[str, BlockStatistics]:
    return {pair: block_statistics(*parts) for pair, parts in tables().items()}


def examples() -> dict[str, Examples]:
    return {pair: block["examples"] for pair, block in blocks().items()}


def manifest() -> Manifest:
    return Manifest(
        samples=48,
        rejects=5,
        pairs={pair: pair_counts(block, beyond_cap=1000) for pair, block in blocks().items()},
        config={
            "corpora": [{"path": SCRIPT, "source_lang": "en", "target_lang": each} for each in ("ar", "vi", "<i>")]
        },
        versions={"spacy": "3.8.18"},
        fingerprint="ab" * 32,
        content="cd" * 32,
    )
