"""Pre-training with a part of the vocabulary beside that with all of it."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from test_pretraining_model import KINDS, build, make_batch
from tiny import write_encoder
from torch import Tensor, nn
from torch.nn import functional
from transformers import (
    AlbertConfig,
    AlbertForMaskedLM,
    AutoConfig,
    AutoModelForMaskedLM,
)

from clism_core.model.encoder import embedding_weight, inspect_encoder, load_encoder
from clism_core.model.objective import Result
from clism_core.model.precision import Precision
from clism_core.model.tokenizer import find_special_ids
from clism_core.model.trained_weights import (
    TRAINED_WEIGHTS_FILE,
    complete_model,
    has_trained_weights,
    load_trained_weights,
    save_trained_weights,
)
from clism_core.pretraining.batches import Batch, BatchBuilder, MaskingConfig
from clism_core.pretraining.model import PretrainingModel
from clism_core.training.optimizer import OptimizerConfig, build_optimizer
from clism_core.training.step import GradientStep, StepSums
from clism_core.utils.errors import InputError


@pytest.fixture(scope="module", params=[*KINDS, "untied"])
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An encoder of each kind; `untied` has an MLM head with a matrix and a bias of its own."""
    folder = tmp_path_factory.mktemp(request.param)
    if request.param != "untied":
        return write_encoder(request.param, folder)
    write_encoder("bert", folder)
    config = AutoConfig.from_pretrained(folder, tie_word_embeddings=False)
    AutoModelForMaskedLM.from_config(config).save_pretrained(folder)
    return folder


def kept_tokens(model: PretrainingModel, batch: Batch) -> Tensor:
    """The tokens of a batch, special tokens, and one more."""
    used = torch.cat([batch.input_ids.flatten(), batch.plain_ids.flatten(), batch.mlm_label])
    special = torch.tensor(sorted(find_special_ids(model.tokenizer)))
    kept: Tensor = torch.cat([used, special, torch.tensor([50])]).unique()
    return kept


def pair_of_models(folder: Path, **weights: float) -> tuple[PretrainingModel, PretrainingModel, Batch]:
    """The same model with the whole vocabulary and with a part of it, and a batch."""
    full, restricted = build(folder, **weights), build(folder, **weights)
    batch = make_batch(full)
    restricted.restrict_vocabulary(kept_tokens(full, batch))
    assert len(embedding_weight(restricted.encoder)) < len(embedding_weight(full.encoder)) / 2
    return full, restricted, batch


def train(model: PretrainingModel, batch: Batch, *, steps: int = 3) -> list[dict[str, float]]:
    """Train on one batch with the step and optimiser of the job; return the losses of each step."""
    weights = dict.fromkeys(model.objectives, 1.0)
    precision = Precision("fp32", torch.device("cpu"))
    gradients = GradientStep(model, weights=weights, precision=precision, seed=0)
    optimizer, _ = build_optimizer(model, OptimizerConfig(learning_rate=1e-2, warmup_steps=0), 100)
    losses = []
    for step in range(steps):
        optimizer.zero_grad(set_to_none=True)
        gradients(step, [batch], sums := StepSums())
        precision.step(optimizer, model, 1.0)
        losses.append({name: mean for name, mean in sums.means().items() if name.endswith("_loss")})
    return losses


def test_clism_and_cacr_are_those_of_the_whole_vocabulary(folder: Path) -> None:
    full, restricted, batch = pair_of_models(folder)
    expected, found = full(batch), restricted(batch)
    assert found["clism"].loss_sum.item() == pytest.approx(expected["clism"].loss_sum.item(), abs=1e-6)
    torch.testing.assert_close(found["cacr"], expected["cacr"], rtol=0, atol=1e-6)


def test_mlm_is_the_softmax_of_the_whole_models_logits_over_the_trained_tokens(folder: Path) -> None:
    full, restricted, batch = pair_of_models(folder)
    kept = restricted.vocabulary.ids
    assert kept is not None
    with torch.no_grad():  # randomly initialised biases are 0
        for parameter in full.token_parameters()[1:]:
            parameter.copy_(torch.randn(parameter.shape))
        for mine, theirs in zip(restricted.token_parameters()[1:], full.token_parameters()[1:], strict=True):
            mine.copy_(theirs[kept])
        states = full.states(batch).h_BLD
        logits = full.mlm_head(states[batch.mlm_row, batch.mlm_position])
    expected, correct = 0.0, 0
    for row, label in zip(logits, batch.mlm_label.tolist(), strict=True):
        among = row[kept]
        expected += float(among.logsumexp(dim=0) - row[label])
        correct += int(kept[among.argmax()] == label)
    found = restricted(batch)["mlm"]
    assert isinstance(found, Result)
    assert found.loss_sum.item() == pytest.approx(expected, rel=1e-5)
    assert int(found.metric_sums["accuracy"]) == correct
    whole = functional.cross_entropy(logits, batch.mlm_label, reduction="sum").item()
    assert whole > expected + 1


def test_training_without_mlm_gives_the_weights_of_the_whole_vocabulary(folder: Path, tmp_path: Path) -> None:
    full, restricted, batch = pair_of_models(folder, w_mlm=0.0)
    before = embedding_weight(full.encoder).detach().clone()
    expected, found = train(full, batch), train(restricted, batch)
    for one, other in zip(expected, found, strict=True):
        assert other == pytest.approx(one, abs=1e-6)
    save_trained_weights(restricted, tmp_path)
    completed = build(folder, w_mlm=0.0)
    complete_model(completed, tmp_path)
    torch.testing.assert_close(dict(completed.named_parameters()), dict(full.named_parameters()), rtol=0, atol=1e-6)
    assert not torch.equal(embedding_weight(completed.encoder), before)


def test_exported_model_has_the_other_rows_of_the_initial_one_bit_for_bit(folder: Path, tmp_path: Path) -> None:
    full, restricted, batch = pair_of_models(folder)
    kept = restricted.vocabulary.ids
    assert kept is not None
    train(restricted, batch)
    save_trained_weights(restricted, tmp_path)
    assert [file.name for file in tmp_path.iterdir()] == [TRAINED_WEIGHTS_FILE]
    exported = build(folder)
    complete_model(exported, tmp_path)
    assert not has_trained_weights(tmp_path)
    others = torch.ones(len(embedding_weight(full.encoder)), dtype=torch.bool)
    others[kept] = False
    sizes = [len(parameter) for parameter in full.token_parameters()]
    assert len(set(sizes)) == 1
    for whole, initial, part in zip(
        exported.token_parameters(), full.token_parameters(), restricted.token_parameters(), strict=True
    ):
        assert torch.equal(whole[others], initial[others])
        assert torch.equal(whole[kept], part)
        assert not torch.equal(whole[kept], initial[kept])
    of_tokens = {id(parameter) for parameter in full.token_parameters()}
    names = [name for name, parameter in full.named_parameters() if id(parameter) not in of_tokens]
    found, trained = dict(exported.named_parameters()), dict(restricted.named_parameters())
    assert all(torch.equal(found[name], trained[name]) for name in names)


@pytest.mark.parametrize("kind", KINDS)
def test_exported_folder_is_that_of_the_whole_vocabulary(kind: str, tmp_path: Path) -> None:
    folder = write_encoder(kind, tmp_path / "encoder")
    full, restricted, batch = pair_of_models(folder)
    train(restricted, batch)
    save_trained_weights(restricted, tmp_path / "export")
    completed = build(folder)
    complete_model(completed, tmp_path / "export")
    full.save(tmp_path / "full")
    files = [sorted(file.name for file in (tmp_path / name).iterdir()) for name in ("export", "full")]
    assert files[0] == files[1]
    loaded = PretrainingModel(load_encoder(str(tmp_path / "export"), seed=9), seed=9)
    loaded_weights, weights = dict(loaded.named_parameters()), dict(completed.named_parameters())
    torch.testing.assert_close(loaded_weights, weights, rtol=0, atol=0)


def test_tied_rows_stay_tied_and_optimiser_and_gradients_are_small(tmp_path: Path) -> None:
    _, restricted, batch = pair_of_models(write_encoder("xlmr", tmp_path))
    train(restricted, batch, steps=1)
    kept, weight = restricted.vocabulary.ids, embedding_weight(restricted.encoder)
    assert kept is not None
    assert weight.grad is not None
    assert weight.grad.shape == weight.shape == (len(kept), 16)
    assert restricted.token_parameters()[0] is weight
    assert restricted.mlm_head.get_parameter("decoder.weight") is weight


def test_padding_has_no_gradient(tmp_path: Path) -> None:
    full, restricted, batch = pair_of_models(write_encoder("xlmr", tmp_path), w_mlm=0.0)
    assert (batch.attention_mask == 0).any()
    train(restricted, batch, steps=1)
    gradient = embedding_weight(restricted.encoder).grad
    assert gradient is not None
    pad = restricted.vocabulary(torch.tensor(full.tokenizer.pad_token_id))
    assert not gradient[pad].any()
    assert gradient.any()


def test_tokens_that_are_not_trained_are_an_error(folder: Path) -> None:
    _, restricted, batch = pair_of_models(folder)
    batch.input_ids[0, 1] = 51
    with pytest.raises(InputError, match=r"1 tokens, such as 51, .*--trained_vocabulary full"):
        restricted(batch)
    with pytest.raises(InputError, match="such as 52"):
        restricted.vocabulary(torch.tensor([[50, 52]]))


def test_random_replacements_are_trained_tokens(tmp_path: Path) -> None:
    model = build(write_encoder("xlmr", tmp_path))
    kept = [*sorted(find_special_ids(model.tokenizer)), 40, 41, 42]
    builder = BatchBuilder(model.tokenizer, MaskingConfig(mlm_probability=0.5), seed=0, token_ids=kept)
    assert builder.ordinary_ids.tolist() == [40, 41, 42]


def test_weights_are_loaded_into_a_model_with_the_same_tokens_only(tmp_path: Path) -> None:
    folder = write_encoder("xlmr", tmp_path / "encoder")
    full, restricted, batch = pair_of_models(folder)
    train(restricted, batch)
    save_trained_weights(restricted, tmp_path)
    again = pair_of_models(folder)[1]
    load_trained_weights(again, tmp_path)
    torch.testing.assert_close(again.state_dict(), restricted.state_dict(), rtol=0, atol=0)

    other = build(folder)
    assert restricted.vocabulary.ids is not None
    other.restrict_vocabulary(restricted.vocabulary.ids[:-1])
    for wrong, own in ((full, "all"), (other, str(len(restricted.vocabulary.ids) - 1))):
        with pytest.raises(InputError, match=rf"the run has {own}, or others; use the same data"):
            load_trained_weights(wrong, tmp_path)


def test_weights_of_another_architecture_are_an_error(tmp_path: Path) -> None:
    _, restricted, _ = pair_of_models(write_encoder("xlmr", tmp_path / "encoder"))
    save_trained_weights(restricted, tmp_path)
    file = tmp_path / TRAINED_WEIGHTS_FILE
    saved = load_file(file)
    saved["span_head.start.weight"] = torch.zeros(3, 3)
    save_file(saved, file)
    with pytest.raises(InputError, match=r"1 weights do not fit the initial model, such as span_head\.start\.weight"):
        complete_model(build(tmp_path / "encoder"), tmp_path)


def test_factorised_embeddings_are_restricted(tmp_path: Path) -> None:
    """ALBERT's have another width than its states."""
    write_encoder("bert", tmp_path)
    size = json.loads((tmp_path / "config.json").read_text())["vocab_size"]
    AlbertForMaskedLM(
        AlbertConfig(
            vocab_size=size,
            embedding_size=16,
            hidden_size=16,
            num_attention_heads=2,
            intermediate_size=32,
            num_hidden_layers=2,
        )
    ).save_pretrained(tmp_path)
    full, restricted, batch = pair_of_models(tmp_path)
    assert [len(parameter) for parameter in full.token_parameters()] == [size + 1] * 2
    found, expected = restricted(batch)["clism"].loss_sum.item(), full(batch)["clism"].loss_sum.item()
    assert found == pytest.approx(expected, abs=1e-6)


def test_a_head_with_other_weights_of_tokens_is_a_problem(tmp_path: Path) -> None:
    model = build(write_encoder("xlmr", tmp_path))
    assert model.vocabulary_problem() == ""
    columns = nn.Parameter(torch.zeros(3, len(embedding_weight(model.encoder))))
    model.mlm_head.register_parameter("columns", columns)
    assert "its MLM head is no linear projection" in model.vocabulary_problem()


def test_a_head_without_a_projection_to_tokens_is_a_problem(tmp_path: Path) -> None:
    loaded = inspect_encoder(str(write_encoder("xlmr", tmp_path)))
    assert PretrainingModel(loaded, seed=0).vocabulary_problem() == ""
    loaded.output_projection = None
    assert "its MLM head is no linear projection" in PretrainingModel(loaded, seed=0).vocabulary_problem()
    model = PretrainingModel(loaded, seed=0)
    model.encoder.set_input_embeddings(nn.Identity())
    assert model.vocabulary_problem() == "its embeddings are a Identity"
