from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from clism_core.preparation.config import PrepareConfig
from clism_core.preparation.corpus import CorpusConfig
from clism_core.preparation.sample_stage import Made, write_shard
from clism_core.preparation.schema import ROW_SCHEMA
from clism_core.preparation.staging import Shard
from clism_core.preparation.yields import Yields, check_yields
from clism_core.utils.errors import InputError

SPAN = {"source_start": 0, "source_end": 1, "target_start": 0, "target_end": 1, "label": "X"}


def row(line: int, reason: str | None = None, **more: Any) -> dict[str, Any]:
    words = [{"start": 0, "end": 1}]
    texts = {"source": f"s{line}", "target": f"t{line}", "source_words": words, "target_words": words}
    sample = {"sample_id": f"en-de/{line}", "source_lang": "en", "target_lang": "de", "alignment": "0-0"}
    return (
        texts | sample | {"line": line, "reason": reason, "spans": None if reason else [SPAN], "markup": False} | more
    )


def yields_of(folder: Path, shards: dict[Shard, list[dict[str, Any]]]) -> Yields:
    made: list[Made] = []
    for shard, rows in shards.items():
        made.append(write_shard(pa.Table.from_pylist(rows, schema=ROW_SCHEMA), shard.name, str(folder)))
    yields = Yields()
    blocks = list(yields.add(shards, made))
    assert [block["rows"] for block in blocks] == [len(rows) for rows in shards.values()]
    return yields


def config(folder: Path) -> PrepareConfig:
    corpora = [CorpusConfig(path=f"{name}.tsv", source_lang="en", target_lang="de") for name in "ab"]
    return PrepareConfig(corpora=corpora, output=str(folder))


def test_counts_over_shards(tmp_path: Path) -> None:
    shards = {
        Shard("a1", 0, "en-de", 2): [row(1, markup=True, partial_answers=2), row(2, "no_span", markup=True)],
        Shard("a2", 0, "en-de", 1): [row(3, "no_answer", markup=None, partial_answers=1)],
        Shard("b1", 1, "en-de", 1): [row(4)],
    }
    yields = yields_of(tmp_path, shards)
    assert yields.samples == {0: 1, 1: 1}
    assert yields.rejects == {0: {"no_span": 1, "no_answer": 1}, 1: {}}
    assert yields.markup == {"en-de": 2}
    assert yields.partial_answers == {"en-de": 3}
    assert sorted(yields.files) == [
        "rejects/a1.parquet",
        "rejects/a2.parquet",
        "samples/a1.parquet",
        "samples/b1.parquet",
    ]
    check_yields(config(tmp_path), list(shards), yields)


def test_one_of_two_corpora_without_samples(tmp_path: Path) -> None:
    shards = {
        Shard("a1", 0, "en-de", 1): [row(1)],
        Shard("b1", 1, "en-de", 1): [row(1, "duplicate"), row(2, "no_answer")],
        Shard("b2", 1, "en-de", 1): [row(3, "no_answer", source="\x1b[2Jx", target="y" * 99), row(4, "no_answer")],
    }
    with pytest.raises(InputError) as error:
        check_yields(config(tmp_path), list(shards), yields_of(tmp_path, shards))
    assert str(error.value) == (
        "corpora: b.tsv (en-de): none of its 4 rows has become a sample; rejected: no_answer 3, duplicate 1; no span "
        "is aligned to one run of words; check that the translations are of these sentences, or give another aligner; "
        f"line 2: 's2' => 't2', line 3: '\\x1b[2Jx' => '{'y' * 60}...'; all rejects: {tmp_path}/rejects"
    )


def test_all_corpora_without_samples_are_reported(tmp_path: Path) -> None:
    shards = {
        Shard("a1", 0, "en-de", 1): [row(1, "no_span")],
        Shard("b1", 1, "en-de", 1): [row(1, "wrong_column_count", source=None, target=None)],
    }
    with pytest.raises(InputError, match=r"a\.tsv .* no_span 1; .*\n.*b\.tsv .*; line 1: \(none\) => \(none\); all"):
        check_yields(config(tmp_path), list(shards), yields_of(tmp_path, shards))
