from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from test_pretraining_model import build
from tiny import write_encoder

from clism_core.model.encoder import inspect_encoder
from clism_core.model.tokenizer import TextTokenizer, find_special_ids
from clism_core.pretraining import trained_tokens
from clism_core.pretraining.config import PretrainConfig
from clism_core.pretraining.model import PretrainingModel
from clism_core.pretraining.recipe import build_model
from clism_core.pretraining.trained_tokens import choose_trained_tokens

ROW = {
    "sample_id": "a",
    "source_lang": "en",
    "target_lang": "de",
    "source": "Mary Smith",
    "target": "Berlin 1984",
    "spans": [],
}
USED = [30, 31]


@pytest.fixture
def model(tmp_path: Path) -> PretrainingModel:
    return build_model(inspect_encoder(str(write_encoder("xlmr", tmp_path))), CONFIG)


CONFIG = PretrainConfig(model="", data="", vocabulary_sample=5)


@pytest.fixture
def choose(model: PretrainingModel, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The choice for training samples with the tokens `USED`, and one held-out sample."""

    def used(_rows: object, columns: tuple[str, ...], *, size: int) -> Any:
        assert columns == ("source_ids", "target_ids")
        return np.isin(np.arange(size), USED)

    monkeypatch.setattr(trained_tokens, "find_used_tokens", used)
    data: Any = None
    return lambda config: choose_trained_tokens(config, model, data, [ROW])


def of_the_data(model: PretrainingModel) -> set[int]:
    tokenize = TextTokenizer(model.tokenizer)
    held_out = [*tokenize(str(ROW["source"])).ids, *tokenize(str(ROW["target"])).ids]
    return {*USED, *held_out, *find_special_ids(model.tokenizer)}


def test_tokens_of_the_data_of_held_out_samples_and_special_ones(
    choose: Any, model: PretrainingModel, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    ids = choose(replace(CONFIG, vocabulary_sample=0))
    assert ids.tolist() == sorted(of_the_data(model))
    assert (
        f"{len(ids)} of {len(model.tokenizer)} tokens are trained: {len(ids)} of the data, and 0 others" in caplog.text
    )


def test_a_sample_of_the_others_depends_on_the_seed_only(choose: Any, model: PretrainingModel) -> None:
    first, again, other = choose(CONFIG), choose(CONFIG), choose(replace(CONFIG, seed=1))
    assert first.tolist() == again.tolist() != other.tolist()
    assert len(first) == len(other) == len(of_the_data(model)) + 5
    assert of_the_data(model) <= set(first.tolist())
    larger = choose(replace(CONFIG, vocabulary_sample=20))
    assert set(first.tolist()) < set(larger.tolist())


def test_without_mlm_there_is_no_sample(tmp_path: Path, choose: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    model = build(write_encoder("xlmr", tmp_path / "again"), w_mlm=0.0)
    data: Any = None
    ids = choose_trained_tokens(CONFIG, model, data, [ROW])
    assert ids is not None
    assert ids.tolist() == sorted(of_the_data(model))


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"trained_vocabulary": "full"}, id="full"),
        pytest.param({"vocabulary_sample": 20_000}, id="the sample is all others"),
    ],
)
def test_the_whole_vocabulary(choose: Any, changes: dict[str, Any]) -> None:
    assert choose(replace(CONFIG, **changes)) is None


def test_the_whole_vocabulary_where_it_cannot_be_restricted(
    choose: Any, model: PretrainingModel, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    monkeypatch.setattr(type(model), "vocabulary_problem", lambda _: "its embeddings are round")
    assert choose(CONFIG) is None
    assert "the whole vocabulary is trained: its embeddings are round" in caplog.text
