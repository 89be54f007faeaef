import json
import random
import re
from typing import Any

import pyarrow as pa
import pytest

from clism_core.preparation.manifest import pair_counts
from clism_core.preparation.report.examples import (
    MAX_REJECT_CHARACTERS,
    Examples,
    drop_examples,
    merge_examples,
)
from clism_core.preparation.schema import REJECT_SCHEMA, SAMPLE_SCHEMA
from clism_core.preparation.statistics import (
    MAX_ORIGINS,
    BlockStatistics,
    Histogram,
    block_statistics,
    mean,
    merge_statistics,
    quantile,
)
from clism_core.utils.digests import text_hash


def whitespace_words(text: str) -> list[tuple[int, int]]:
    return [match.span() for match in re.finditer(r"\S+", text)]


def sample(number: int, **columns: Any) -> dict[str, Any]:
    """Return a row of `SAMPLE_SCHEMA`; its words are separated by spaces."""
    row = {"sample_id": f"en-de/00/{number:09d}", "source_lang": "en", "target_lang": "de", "origin": "news", **columns}
    for side in ("source", "target"):
        row[f"{side}_words"] = [{"start": start, "end": end} for start, end in whitespace_words(row[side])]
    return row


def span(source: tuple[int, int], target: tuple[int, int], label: str) -> dict[str, Any]:
    return {
        "source_start": source[0],
        "source_end": source[1],
        "target_start": target[0],
        "target_end": target[1],
        "label": label,
    }


def reject(line: int, reason: str, *, origin: str | None = "news", source: str | None = "It rains .") -> dict[str, Any]:
    return {
        "input": "de.tsv",
        "line": line,
        "source_lang": "en",
        "target_lang": "de",
        "origin": origin,
        "source": source,
        "target": None,
        "reason": reason,
    }


NEW_YORK = sample(
    1,
    source="Anna saw New York City",
    target="Anna sah New York",
    spans=[span((9, 22), (9, 17), "GPE"), span((0, 4), (0, 4), "PERSON")],
    alignment="0-0 1-1 2-2 3-3",
)
ROME = sample(
    2, source="In Rome .", target="Rom", spans=[span((3, 7), (0, 3), "GPE")], alignment="1-0 1-0", origin=None
)
REJECTS = [reject(3, "no_span"), reject(4, "no_span", origin=None), reject(5, "too_long", origin="web")]


def count(samples: list[dict[str, Any]], rejects: list[dict[str, Any]]) -> BlockStatistics:
    return block_statistics(pa.Table.from_pylist(samples, SAMPLE_SCHEMA), pa.Table.from_pylist(rejects, REJECT_SCHEMA))


def test_counts_of_two_samples() -> None:
    counts = pair_counts(count([NEW_YORK, ROME], REJECTS), beyond_cap=7, partial_answers=3)
    statistics = counts.pop("statistics")
    assert counts == {
        "rows": 5,
        "samples": 2,
        "spans": 3,
        "rejects": {"no_span": 2, "too_long": 1},
        "beyond_cap": 7,
        "partial_answers": 3,
    }
    assert statistics == {
        "origins": {
            "": {"samples": 1, "spans": 1, "rejects": {"no_span": 1}},
            "news": {"samples": 1, "spans": 2, "rejects": {"no_span": 1}},
            "web": {"samples": 0, "spans": 0, "rejects": {"too_long": 1}},
        },
        "other_origins": {"samples": 0, "spans": 0, "rejects": {}},
        "labels": {"GPE": 2, "PERSON": 1},
        "spans_per_sample": {"width": 1, "counts": [0, 1, 1], "sum": 3, "max": 2},
        "span_words": {"width": 1, "counts": [0, 2, 0, 1], "sum": 5, "max": 3},
        "answer_words": {"width": 1, "counts": [0, 2, 1], "sum": 4, "max": 2},
        "source_words": {"width": 5, "counts": [1, 1], "sum": 8, "max": 5},
        "target_words": {"width": 5, "counts": [2], "sum": 5, "max": 4},
        "source_aligned": 5,  # Anna saw New York; Rome, once
        "target_aligned": 5,
        # 4 of 5 and 1 of 3 source words: 80 % and 33 %
        "source_coverage": {"width": 5, "counts": [0] * 6 + [1] + [0] * 9 + [1], "sum": 113, "max": 80},
        "target_coverage": {"width": 5, "counts": [0] * 20 + [2], "sum": 200, "max": 100},
    }


def test_statistics_without_rows_are_zero() -> None:
    assert merge_statistics([]) == count([], [])
    assert count([], [])["rows"] == 0
    assert count([], [])["statistics"]["source_words"] == {"width": 5, "counts": [], "sum": 0, "max": 0}


def many_rows() -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    chance = random.Random(1)
    samples = []
    for number in range(900):
        words = chance.randint(1, 30)
        samples.append(
            sample(
                number,
                source=" ".join(["a"] * words),
                target=" ".join(["b"] * words),
                spans=[span((0, 1), (0, 1), chance.choice(["GPE", "ORG"]))],
                alignment=" ".join(f"{i}-{i}" for i in range(chance.randint(1, words))),
                origin=f"origin {chance.randint(0, 2 * MAX_ORIGINS)}",
            )
        )
    rejects = [
        reject(number, chance.choice(["no_span", "no_answer"]), origin=f"origin {chance.randint(0, 2 * MAX_ORIGINS)}")
        for number in range(300)
    ]
    return samples, rejects


def test_blocks_merge_in_any_order() -> None:
    samples, rejects = many_rows()
    whole = count(samples, rejects)
    blocks = [count(samples[place::13], rejects[place::13]) for place in range(13)]
    random.Random(2).shuffle(blocks)
    tree = merge_statistics([merge_statistics(blocks[5:]), count([], []), merge_statistics(blocks[:5])])
    assert tree == whole
    assert json.loads(json.dumps(tree)) == whole


def test_slices_and_chunks_of_tables_count_like_whole_tables() -> None:
    samples, rejects = many_rows()
    sample_table = pa.Table.from_pylist(samples, SAMPLE_SCHEMA)
    reject_table = pa.Table.from_pylist(rejects, REJECT_SCHEMA)
    cut = pa.concat_tables([sample_table.slice(33, 40), sample_table.slice(400, 50)])
    assert block_statistics(cut, reject_table.slice(7, 30)) == count(samples[33:73] + samples[400:450], rejects[7:37])


def test_origins_beyond_the_limit_are_counted_together() -> None:
    samples, rejects = many_rows()
    statistics = count(samples, rejects)["statistics"]
    assert len(statistics["origins"]) == MAX_ORIGINS
    kept = statistics["origins"].values()
    assert sum(counts["samples"] for counts in kept) + statistics["other_origins"]["samples"] == 900
    rejected = [counts["rejects"] for counts in [*kept, statistics["other_origins"]]]
    assert sum(sum(reasons.values()) for reasons in rejected) == 300
    by_hand = sum(row["origin"] == (name := next(iter(statistics["origins"]))) for row in samples)
    assert statistics["origins"][name]["samples"] == by_hand


def test_lengths_beyond_the_last_bin_count_in_it() -> None:
    row = sample(1, source="a " * 2000, target="b", spans=[span((0, 1), (0, 1), "ORG")], alignment="0-0")
    lengths = count([row], [])["statistics"]["source_words"]
    assert lengths["counts"] == [0] * 200 + [1]
    assert lengths["max"] == 2000
    assert quantile(lengths, 0.5) == (1000, 2000)


def test_samples_without_words_are_left_out_of_lengths() -> None:
    bare = NEW_YORK | {"source_words": None, "target_words": None, "alignment": None, "sample_id": "x"}
    statistics = count([bare, ROME], [])["statistics"]
    assert statistics["labels"] == {"GPE": 2, "PERSON": 1}
    assert statistics["spans_per_sample"]["counts"] == [0, 1, 1]
    assert statistics["span_words"]["counts"] == [0, 1]
    assert statistics["source_words"]["sum"] == 3


def test_examples_are_whole_samples_and_rejects_by_reason() -> None:
    long = reject(6, "too_long", source="x" * (MAX_REJECT_CHARACTERS + 5))
    examples = count([NEW_YORK], [*REJECTS, long])["examples"]
    assert examples["samples"] == [NEW_YORK]
    assert {reason: {row["line"] for row in rows} for reason, rows in examples["rejects"].items()} == {
        "no_span": {3, 4},
        "too_long": {5, 6},
    }
    (shown,) = [row for row in examples["rejects"]["too_long"] if row["line"] == 6]
    assert shown["source"] == "x" * MAX_REJECT_CHARACTERS
    assert (shown["source_characters"], shown["target"]) == (MAX_REJECT_CHARACTERS + 5, None)


def test_examples_are_bounded() -> None:
    examples = count(*many_rows())["examples"]
    assert len(examples["samples"]) == 200
    assert {reason: len(rows) for reason, rows in examples["rejects"].items()} == {"no_span": 10, "no_answer": 10}


def examples_of(part: int, *, samples: int, rejects: dict[str, int]) -> Examples:
    """Return all samples and rejects of a part, with the columns that the selection needs only."""
    ids = sorted((f"{part}/{number}" for number in range(samples)), key=text_hash)
    lines = sorted(range(1000 * part, 1000 * part + 1000), key=lambda line: text_hash(str(line)))
    rows = {reason: [{"line": line, "input": ""} for line in lines[:count]] for reason, count in rejects.items()}
    return Examples(samples=[{"sample_id": name} for name in ids], rejects=rows)  # type: ignore[typeddict-item]


def drop(examples: Examples, *, rows: int) -> None:
    """Drop the examples of a part of 1,000 rows that are unlikely to be shown."""
    rejects = {reason: len(rejects) for reason, rejects in examples["rejects"].items()}
    drop_examples(examples, rows=rows, part_rows=1000, part_samples=len(examples["samples"]), part_rejects=rejects)


@pytest.mark.parametrize(
    ("samples", "share"),
    [
        pytest.param(1000, 0.02, id="all rows are samples"),
        pytest.param(50, 0.4, id="5,000 samples in the pair"),
        pytest.param(20, 1.0, id="2,000 samples in the pair"),
    ],
)
def test_parts_keep_2000_of_the_samples_of_100_000_rows(samples: int, share: float) -> None:
    examples = examples_of(0, samples=samples, rejects={})
    names = [sample["sample_id"] for sample in examples["samples"]]
    drop(examples, rows=100_000)
    kept = [sample["sample_id"] for sample in examples["samples"]]
    assert kept == [name for name in names if text_hash(name) < share * 2**64]
    assert 0 < len(kept) < len(names) or share == 1


def test_parts_show_as_many_samples_as_the_whole() -> None:
    parts = [examples_of(part, samples=50, rejects={}) for part in range(100)]
    names = [sample["sample_id"] for part in parts for sample in part["samples"]]
    for part in parts:
        drop(part, rows=100_000)
    shown = merge_examples(parts)["samples"]
    assert [sample["sample_id"] for sample in shown] == sorted(names, key=text_hash)[:200]


def test_parts_keep_100_of_the_rejects_of_a_reason_and_never_lose_a_rare_one() -> None:
    parts = [examples_of(part, samples=0, rejects={"no_span": 500}) for part in range(100)]
    parts.append(examples_of(100, samples=0, rejects={"duplicate": 1, "untranslated": 900}))
    for part in parts:
        drop(part, rows=101_000)
    kept = [len(part["rejects"]["no_span"]) for part in parts[:100]]
    assert min(kept) == 1  # as if every 500th of 50,000 in a hundred parts were kept
    assert 100 <= sum(kept) < 250
    shown = merge_examples(parts)["rejects"]
    lines = sorted((1000 * part + line for part in range(100) for line in range(1000)), key=lambda n: text_hash(str(n)))
    assert {reason: len(rejects) for reason, rejects in shown.items()} == {
        "duplicate": 1,
        "no_span": 10,
        "untranslated": len(parts[100]["rejects"]["untranslated"]),
    }
    assert [reject["line"] for reject in shown["no_span"]] == lines[:10]


@pytest.mark.parametrize(
    ("share", "expected"),
    [
        pytest.param(0.25, (5, 9), id="first_of_four"),
        pytest.param(0.5, (10, 14), id="median"),
        pytest.param(0.75, (10, 14), id="third"),
        pytest.param(1.0, (15, 17), id="greatest"),
    ],
)
def test_quantiles_of_lengths_5_10_11_and_17(share: float, expected: tuple[int, int]) -> None:
    histogram = Histogram(width=5, counts=[0, 1, 2, 1], sum=43, max=17)
    assert quantile(histogram, share) == expected
    assert mean(histogram) == 10.75
