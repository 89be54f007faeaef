import dataclasses
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file
from tiny import sample, write_encoder
from transformers import AutoModel, AutoTokenizer, BertConfig, BertForMaskedLM

from clism_core.model.encoder import embedding_weight, inspect_encoder, load_encoder, mean_pool
from clism_core.model.objective import Result
from clism_core.model.tokenizer import QUE
from clism_core.model.trainable import freeze_unused
from clism_core.pretraining.batches import PLAIN_SOURCE, Batch, BatchBuilder, MaskingConfig
from clism_core.pretraining.config import PretrainConfig
from clism_core.pretraining.model import PretrainingModel
from clism_core.pretraining.objectives.build import ObjectivesConfig, build_objectives
from clism_core.pretraining.objectives.clism import CLISM
from clism_core.pretraining.recipe import PretrainingRecipe
from clism_core.utils.errors import InputError

KINDS = ["xlmr", "bert", "xlm"]


@pytest.fixture(scope="module", params=KINDS)
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_encoder(request.param, tmp_path_factory.mktemp(request.param))


def build(folder: Path, **weights: float) -> PretrainingModel:
    model = PretrainingModel(load_encoder(str(folder), seed=0), seed=0)
    model.use(build_objectives(model, ObjectivesConfig(**weights)))
    return model.eval()


def make_batch(model: PretrainingModel) -> Batch:
    samples = [
        sample(source=[20, 21, 22, 23, 24], target=[30, 31, 32, 33], spans=[(1, 2, 2, 4)]),
        sample(source=[25, 26, 27], target=[34, 35, 36, 37, 38], spans=[(0, 2, 0, 1)], ordinal=1),
    ]
    return BatchBuilder(model.tokenizer, MaskingConfig(mlm_probability=0.5), seed=0)([[entry] for entry in samples])


def test_embedding_of_que_is_initialised_with_that_of_the_mask(folder: Path) -> None:
    loaded = load_encoder(str(folder), seed=0)
    weight = embedding_weight(loaded.encoder)
    que, mask = loaded.tokenizer.get_vocab()[QUE], loaded.tokenizer.mask_token_id
    assert que < len(weight)
    assert torch.equal(weight[que], weight[mask])


def test_all_objectives_reach_the_encoder(folder: Path) -> None:
    model = build(folder)
    results = model(make_batch(model))
    for name, result in results.items():
        model.zero_grad()
        loss = result.loss_sum if isinstance(result, Result) else result.square().sum()
        loss.backward(retain_graph=True)
        gradient = embedding_weight(model.encoder).grad
        assert gradient is not None
        assert gradient.any(), name


def test_parameters_without_gradients_are_frozen(folder: Path) -> None:
    model = build(folder)
    frozen = freeze_unused(model, make_batch(model))
    unused = "encoder.lang_embeddings.weight"  # XLM's, for which inputs name no language; others have none
    assert frozen == [name for name, _ in model.named_parameters() if name == unused]
    assert not any(p.requires_grad for name, p in model.named_parameters() if name in frozen)
    assert all(p.grad is None for p in model.parameters())


def test_head_of_a_disabled_objective_is_frozen(folder: Path) -> None:
    model = build(folder, w_clism=0.0)
    frozen = freeze_unused(model, make_batch(model))
    head = {name for name, _ in model.named_parameters() if name.startswith("span_head.")}
    assert head
    assert head <= set(frozen)


@pytest.mark.parametrize(
    ("w_clism", "has_rate"), [pytest.param(1.0, True, id="on"), pytest.param(0.0, False, id="off")]
)
def test_span_head_has_its_own_learning_rate(folder: Path, w_clism: float, has_rate: bool) -> None:
    model = build(folder, w_clism=w_clism)
    head = {id(p) for p in model.span_head.parameters()} if has_rate else set()
    assert {id(p) for p in model.new_head_parameters()} == head


@pytest.mark.parametrize(
    ("w_cacr", "clism_needs", "passes"),
    [
        pytest.param(1.0, frozenset(), 2, id="contrastive"),
        pytest.param(0.0, frozenset(), 1, id="none"),
        pytest.param(0.0, frozenset({PLAIN_SOURCE}), 2, id="another objective"),
    ],
)
def test_plain_source_is_encoded_if_an_objective_needs_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, w_cacr: float, clism_needs: frozenset[str], passes: int
) -> None:
    monkeypatch.setattr(CLISM, "needs", clism_needs)
    model = build(write_encoder("xlmr", tmp_path), w_cacr=w_cacr)
    shapes: list[tuple[int, ...]] = []
    model.encoder.register_forward_hook(lambda _module, _inputs, output: shapes.append(output[0].shape))
    model(make_batch(model))
    assert len(shapes) == passes


@pytest.mark.parametrize(("w_mlm", "masked"), [pytest.param(1.0, True, id="on"), pytest.param(0.0, False, id="off")])
def test_tokens_are_masked_only_if_an_objective_needs_it(tmp_path: Path, w_mlm: float, masked: bool) -> None:
    config = PretrainConfig(
        model=str(write_encoder("xlmr", tmp_path)),
        data="",
        masking=MaskingConfig(mlm_probability=0.999),
        objectives=ObjectivesConfig(w_mlm=w_mlm),
    )
    held_out: Any = None
    recipe = PretrainingRecipe(config, held_out, None)
    row = dataclasses.asdict(sample(source=[20, 21, 22], target=[30, 31, 32], spans=[]))
    batch = recipe.batch_builder(recipe.load_model(config.model))([[row]])
    assert isinstance(batch, Batch)
    assert bool(len(batch.mlm_label)) == masked


def test_exported_folder_is_loaded_by_transformers(folder: Path, tmp_path: Path) -> None:
    model = build(folder)
    model.save(tmp_path / "model")
    encoder = AutoModel.from_pretrained(tmp_path / "model").eval()
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "model")
    assert QUE in tokenizer.all_special_tokens
    batch = make_batch(model)
    with torch.no_grad():
        theirs = encoder(batch.plain_ids, attention_mask=batch.plain_attention_mask).last_hidden_state
        ours = model.encoder(batch.plain_ids, attention_mask=batch.plain_attention_mask).last_hidden_state
    torch.testing.assert_close(theirs, ours)
    with safe_open(tmp_path / "model" / "span_head.safetensors", "pt") as file:
        assert sorted(file.keys()) == ["end.weight", "start.weight"]
    with safe_open(tmp_path / "model" / "mlm_head.safetensors", "pt") as file:
        shapes = [tuple(file.get_slice(name).get_shape()) for name in file.keys()]  # noqa: SIM118
    assert embedding_weight(model.encoder).shape not in shapes


def test_saved_model_is_restored(folder: Path, tmp_path: Path) -> None:
    model = build(folder)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.1)
    model.save(tmp_path / "model")
    again = PretrainingModel(load_encoder(str(tmp_path / "model"), seed=1), seed=1)
    again.use(build_objectives(again, ObjectivesConfig()))
    batch = make_batch(model)
    before, after = model(batch), again.eval()(batch)
    for name in before:
        left, right = (r.loss_sum if isinstance(r, Result) else r for r in (before[name], after[name]))
        torch.testing.assert_close(left, right, msg=name)


def test_mlm_head_of_a_hub_checkpoint_is_kept(tmp_path: Path) -> None:

    write_encoder("bert", tmp_path)
    config = BertConfig.from_pretrained(tmp_path)
    whole = BertForMaskedLM(config)
    whole.save_pretrained(tmp_path)
    loaded = load_encoder(str(tmp_path), seed=9)
    name = "predictions.transform.dense.weight"
    assert torch.equal(loaded.mlm_head.state_dict()[name], whole.cls.state_dict()[name])


def test_new_weights_depend_on_the_seed_only(tmp_path: Path) -> None:
    write_encoder("bert", tmp_path)
    first, second, other = (load_encoder(str(tmp_path), seed=seed).mlm_head.state_dict() for seed in (3, 3, 4))
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert any(not torch.equal(first[name], other[name]) for name in first)


def test_span_head_of_another_size_is_an_input_error(tmp_path: Path) -> None:

    write_encoder("bert", tmp_path)
    save_file(
        {"start.weight": torch.zeros(16, 16), "middle.weight": torch.zeros(1)}, tmp_path / "span_head.safetensors"
    )
    with pytest.raises(InputError, match=r"middle\.weight"):
        build(tmp_path)


@pytest.mark.parametrize("load", [load_encoder, inspect_encoder])
@pytest.mark.parametrize("name", ["span_head.safetensors", "mlm_head.safetensors"])
def test_a_head_that_was_pre_trained_must_be_there(folder: Path, tmp_path: Path, load: Any, name: str) -> None:
    build(folder).save(tmp_path)
    PretrainingModel(load(str(tmp_path), seed=0), seed=0)
    (tmp_path / name).unlink()
    with pytest.raises(InputError, match=f"{name} is missing, although the model was trained with this head"):
        PretrainingModel(load(str(tmp_path), seed=0), seed=0)


@pytest.mark.parametrize("load", [load_encoder, inspect_encoder])
@pytest.mark.parametrize(
    ("content", "message"),
    [
        pytest.param(b"version https://git-lfs.github.com/spec/v1", "Git LFS pointer", id="pointer"),
        pytest.param(b"", "damaged or incomplete weights", id="empty"),
    ],
)
def test_a_damaged_head_is_an_input_error(
    folder: Path, tmp_path: Path, load: Any, content: bytes, message: str
) -> None:
    build(folder).save(tmp_path)
    (tmp_path / "span_head.safetensors").write_bytes(content)
    with pytest.raises(InputError, match=rf"span_head\.safetensors:? .*{message}"):
        PretrainingModel(load(str(tmp_path), seed=0), seed=0)


@pytest.mark.parametrize("load", [load_encoder, inspect_encoder])
def test_a_head_that_is_not_finite_is_an_input_error(folder: Path, tmp_path: Path, load: Any) -> None:
    model = build(folder)
    with torch.no_grad():
        model.span_head.end.weight[0, 0] = float("nan")
    model.save(tmp_path)
    with pytest.raises(InputError, match=r"span_head\.safetensors: end\.weight has values that are NaN"):
        PretrainingModel(load(str(tmp_path), seed=0), seed=0)


class Scaled(CLISM):
    """CLISM with a weight of its own."""

    def __init__(self, span_head: Any) -> None:
        super().__init__(span_head)
        self.scale = torch.nn.Parameter(torch.ones(1))


def test_a_checkpoint_has_the_weights_of_its_objectives(tmp_path: Path) -> None:
    folder = write_encoder("bert", tmp_path / "encoder")
    model = PretrainingModel(load_encoder(str(folder), seed=0), seed=0)
    model.use({"clism": Scaled(model.span_head)})
    model.save(tmp_path / "checkpoint")
    for is_checkpoint in (False, True):
        again = PretrainingModel(
            load_encoder(str(tmp_path / "checkpoint"), seed=0), seed=0, is_checkpoint=is_checkpoint
        )
        again.use({"clism": Scaled(again.span_head)})
    (tmp_path / "checkpoint" / "clism_objective.safetensors").unlink()
    begun = PretrainingModel(load_encoder(str(tmp_path / "checkpoint"), seed=0), seed=0)
    begun.use({"clism": Scaled(begun.span_head)})  # another run may begin with an objective that is new to the encoder
    with pytest.raises(InputError, match=r"clism_objective\.safetensors is missing"):
        again.use({"clism": Scaled(again.span_head)})


def test_mean_pool_ignores_masked_states_and_does_not_divide_by_zero() -> None:
    h = torch.tensor([[[1.0], [3.0], [100.0]], [[5.0], [5.0], [5.0]]])
    mask = torch.tensor([[True, True, False], [False, False, False]])
    assert mean_pool(h, mask).tolist() == [[2.0], [0.0]]
