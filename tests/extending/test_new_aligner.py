from itertools import product
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from guide import load_example

from clism_core.preparation import stages
from clism_core.preparation.alignment.config import ALIGNERS, AlignerConfig
from clism_core.preparation.cleaning_stage import read_shards
from clism_core.preparation.config import PrepareConfig
from clism_core.preparation.corpus import CorpusConfig
from clism_core.preparation.entities import EntitiesConfig
from clism_core.preparation.manifest import open_output
from clism_core.preparation.prepare import plan
from clism_core.preparation.sample_stage import SampleMaker
from clism_core.preparation.staging import Work

PLACES = {"Rome": "Rom", "Vienna": "Wien", "Cologne": "Köln"}
QUALITIES = {"old": "alt", "green": "grün", "big": "gross"}
KIND: Any = "dice"


def test_a_new_aligner_learns_and_aligns_in_the_stages_of_prepare(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = load_example("Add an aligner")
    monkeypatch.setitem(ALIGNERS, KIND, f"{module.__name__}:DiceAligner")
    pairs = [
        f"{place} is {quality}\t{QUALITIES[quality]} ist {PLACES[place]}"
        for place, quality in product(PLACES, QUALITIES)
    ]
    (tmp_path / "corpus.tsv").write_text("\n".join(pairs))
    config = PrepareConfig(
        corpora=[CorpusConfig(path=str(tmp_path / "corpus.tsv"), source_lang="en", target_lang="de")],
        output=str(tmp_path / "prepared"),
        aligner=AlignerConfig(kind=KIND),
        entities=EntitiesConfig(span_kind="ngrams", ngram_min_count=3, ngram_max_share=0.5),
    )
    fingerprint = plan(config).fingerprint
    open_output(config.output, fingerprint=fingerprint)
    work = Work(config.output, fingerprint=fingerprint)
    for raw in read_shards(config.corpora[0], number=0, rows_per_shard=100, cleaned=set()):
        stages.clean_shards(raw, config=config, work=work)
    (shard,) = stages.list_shards(config, [stages.CorpusRows(shards=[(1, 9)], beyond_cap=0)])
    stages.learn_pair(config, work, "en-de", [shard])
    stages.count_language_ngrams(config, work, "en", [shard])
    SampleMaker(config, work, pair_rows={"en-de": 9}).make(shard)
    samples = pq.read_table(tmp_path / "prepared" / "samples").to_pylist()
    assert [row["alignment"] for row in samples] == ["0-2 1-1 2-0"] * 9
    found = {(row["target"][span["target_start"] : span["target_end"]]) for row in samples for span in row["spans"]}
    assert found == {*PLACES.values(), *QUALITIES.values()}
