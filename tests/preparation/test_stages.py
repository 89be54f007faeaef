import logging
from pathlib import Path

import pyarrow as pa
import pytest

from clism_core.preparation.alignment.aligner import Draw
from clism_core.preparation.alignment.config import AlignerConfig, AlignerKind
from clism_core.preparation.alignment.eflomal import EflomalAligner
from clism_core.preparation.config import PrepareConfig
from clism_core.preparation.corpus import CorpusConfig
from clism_core.preparation.manifest import open_output
from clism_core.preparation.schema import ROW_SCHEMA
from clism_core.preparation.stages import learn_pair, warn_about_few_pairs
from clism_core.preparation.staging import LEARNT, Shard, Work


@pytest.mark.parametrize(
    ("kind", "pairs", "warned"),
    [
        pytest.param("eflomal", 1012, ["en-de"], id="few"),
        pytest.param("eflomal", 20_000, [], id="enough"),
        pytest.param("combination", 1012, [], id="supported-by-an-encoder"),
        pytest.param("embedding", 0, [], id="learns-nothing"),
    ],
)
def test_warning_about_few_pairs(
    kind: AlignerKind, pairs: int, warned: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        warn_about_few_pairs(AlignerConfig(kind=kind), {"en-de": pairs, "en-hi": 66_000})
    assert [message.split(":")[0] for message in caplog.messages] == warned
    assert all("from 1,012 sentence pairs; with fewer than 20,000" in message for message in caplog.messages)
    assert all("aligner.kind embedding or combination" in message for message in caplog.messages)
    caplog.clear()
    warn_about_few_pairs(AlignerConfig(kind=kind, min_pairs=0), {"en-de": pairs})
    assert not caplog.messages


def test_number_of_pairs_learnt_from(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def learn(config: AlignerConfig, draw: Draw) -> bytes:
        return " ".join(word for words in draw(config.train_pairs)[0] for word in words).encode()

    monkeypatch.setattr(EflomalAligner, "learn", learn)
    text = {"source": "a b", "target": "c", "source_words": [{"start": 0, "end": 1}], "target_words": []}
    rows = [{"sample_id": f"en-de/00/{number:09d}", "digest": bytes([number] * 16)} | text for number in range(1, 5)]
    rows.append({"sample_id": "en-de/00/000000005", "reason": "no_text"})
    config = PrepareConfig(
        [CorpusConfig("c.tsv", "en", "de")], str(tmp_path), aligner=AlignerConfig(train_pairs=3, seed=None)
    )
    open_output(str(tmp_path), fingerprint="a" * 64)
    work = Work(str(tmp_path), fingerprint="a" * 64)
    work.write_rows("s", pa.Table.from_pylist(rows, schema=ROW_SCHEMA))
    learn_pair(config, work, "en-de", [Shard("s", 0, "en-de", len(rows))])
    assert work.read_learnt("en-de") == b"a a a"
    assert work.read_json(LEARNT, "en-de.json") == {"pairs": 3}
