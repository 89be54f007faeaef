from pathlib import Path

import mlflow
import pytest
import torch
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace
from tokenizers.processors import TemplateProcessing
from transformers import (
    AutoModel,
    AutoTokenizer,
    PreTrainedTokenizerFast,
    XLMRobertaConfig,
    XLMRobertaModel,
)

from clism_core.model.resolve import resolve_model
from clism_core.pretraining.registration import register_encoder
from clism_core.tracking.lifecycle import start_run
from clism_core.tracking.run import TrackedRun

VOCABULARY = ["<s>", "<pad>", "</s>", "<unk>", "<mask>", "[QUE]", "red", "green", "blue"]


@pytest.fixture
def encoder(tmp_path: Path) -> Path:
    """Save a random encoder of width 8 whose tokens are whole words."""
    words = Tokenizer(WordLevel({word: i for i, word in enumerate(VOCABULARY)}, unk_token="<unk>"))
    words.pre_tokenizer = Whitespace()
    words.post_processor = TemplateProcessing(single="<s> $A </s>", special_tokens=[("<s>", 0), ("</s>", 2)])
    names = {
        "cls_token": "<s>",
        "sep_token": "</s>",
        "pad_token": "<pad>",
        "unk_token": "<unk>",
        "mask_token": "<mask>",
    }
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=words, **names)
    tokenizer.add_special_tokens({"extra_special_tokens": ["[QUE]"]})
    torch.manual_seed(0)
    config = XLMRobertaConfig(
        vocab_size=len(VOCABULARY),
        hidden_size=8,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=16,
        max_position_embeddings=300,
    )
    folder = tmp_path / "output" / "model"
    XLMRobertaModel(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    (folder / "span_head.safetensors").write_bytes(b"head")
    return folder


@pytest.fixture
def run(home_folder: Path) -> TrackedRun:
    return start_run(job="pretrain", output="/outputs/x")


def test_only_the_first_version_becomes_champion(run: TrackedRun, encoder: Path) -> None:
    first = register_encoder(run, encoder, step=1)
    second = register_encoder(run, encoder, step=2)
    assert (first.uri, first.aliases) == ("models:/clism-encoder/1", ("candidate", "champion"))
    assert (second.uri, second.aliases) == ("models:/clism-encoder/2", ("candidate",))
    versions = {
        alias: run.client.get_model_version_by_alias("clism-encoder", alias).version
        for alias in ("candidate", "champion")
    }
    assert {alias: int(version) for alias, version in versions.items()} == {"candidate": 2, "champion": 1}


@pytest.mark.parametrize(
    "name",
    [
        pytest.param("models:/clism-encoder@candidate", id="alias"),
        pytest.param("models:/clism-encoder/1", id="version"),
        pytest.param("models:/clism-encoder/latest", id="latest"),
        pytest.param("runs:/{run_id}/encoder", id="run"),
        pytest.param("models:/{model_id}", id="logged-model"),
    ],
)
def test_registered_names_resolve_to_the_whole_folder(run: TrackedRun, encoder: Path, name: str) -> None:
    register_encoder(run, encoder, step=1)
    outputs = run.client.get_run(run.run_id).outputs
    assert outputs is not None
    model_id = outputs.model_outputs[0].model_id
    folder = Path(resolve_model(name.format(run_id=run.run_id, model_id=model_id)))
    assert sorted(file.name for file in folder.iterdir()) == sorted(file.name for file in encoder.iterdir())
    loaded, original = (AutoModel.from_pretrained(path).state_dict() for path in (folder, encoder))
    assert all(torch.equal(loaded[key], original[key]) for key in original)
    assert AutoTokenizer.from_pretrained(folder).convert_tokens_to_ids("[QUE]") == VOCABULARY.index("[QUE]")


def test_version_has_metrics_and_its_run(run: TrackedRun, encoder: Path) -> None:
    run.log_metrics({"eval/en-vi/span_exact_match": 0.1}, step=5)
    run.log_metrics({"eval/en-vi/span_exact_match": 0.25}, step=10)
    register_encoder(run, encoder, step=10, metrics={"span_exact_match": 0.25})
    version = run.client.get_model_version("clism-encoder", "1")
    assert version.run_id == run.run_id
    assert version.tags == {"span_exact_match": "0.25"}
    outputs = run.client.get_run(run.run_id).outputs
    assert outputs is not None
    logged = run.client.get_logged_model(outputs.model_outputs[0].model_id)
    assert [(metric.step, metric.value) for metric in logged.metrics or []] == [(10, 0.25)]


def test_predict_returns_the_mean_of_own_tokens(run: TrackedRun, encoder: Path) -> None:
    register_encoder(run, encoder, step=1)
    predicted = mlflow.pyfunc.load_model("models:/clism-encoder@candidate").predict(["red green blue", "blue", ""])

    model = AutoModel.from_pretrained(encoder).eval()
    with torch.no_grad():
        three = model(torch.tensor([[0, 6, 7, 8, 2]])).last_hidden_state[0]
        one = model(torch.tensor([[0, 8, 2]])).last_hidden_state[0]
    expected = torch.stack([(three[1] + three[2] + three[3]) / 3, one[1], torch.zeros(8)])
    torch.testing.assert_close(torch.tensor(predicted), expected, atol=1e-5, rtol=1e-5)


def test_no_pickle_is_stored(run: TrackedRun, encoder: Path, home_folder: Path) -> None:
    register_encoder(run, encoder, step=1)
    stored = {file.name for file in (home_folder / "artifacts").rglob("*") if file.is_file()}
    assert "served_model.py" in stored
    assert not [name for name in stored if name.endswith((".pkl", ".pickle", ".bin"))]
