import dataclasses
import math
from pathlib import Path
from typing import Any

import pytest
import torch
from guide import load_example
from test_pretraining_model import make_batch
from tiny import make_sample, write_encoder

from clism_core.model.encoder import load_encoder
from clism_core.model.precision import Precision
from clism_core.pretraining.batches import BatchBuilder, MaskingConfig
from clism_core.pretraining.card import metrics_table
from clism_core.pretraining.evaluation.held_out import HeldOutEvaluation
from clism_core.pretraining.model import PretrainingModel
from clism_core.pretraining.objectives.build import OBJECTIVES, ObjectivesConfig, build_objectives
from clism_core.pretraining.plots import evaluation_figure, loss_labels
from clism_core.training.step import GradientStep, StepSums

PRECISION = Precision("fp32", torch.device("cpu"))
Config = dataclasses.make_dataclass("Config", [("w_length", float, 0.0)], bases=(ObjectivesConfig,))


@pytest.fixture
def example(monkeypatch: pytest.MonkeyPatch) -> Any:
    module = load_example("Add an objective")
    objective = module.TranslationLength
    monkeypatch.setitem(OBJECTIVES, objective, lambda model, _: objective(model.hidden_size))
    return module


def build(folder: Path, **weights: float) -> PretrainingModel:
    model = PretrainingModel(load_encoder(str(folder), seed=0), seed=0)
    model.use(build_objectives(model, Config(w_clism=0.0, w_cacr=0.0, **weights)))
    return model


def head_of(model: PretrainingModel) -> torch.nn.Linear:
    head = model.objectives["length"].head
    assert isinstance(head, torch.nn.Linear)
    return head


@pytest.mark.usefixtures("example")
def test_a_new_objective_is_trained_at_its_own_rate(tmp_path: Path) -> None:
    model = build(write_encoder("xlmr", tmp_path), w_length=2.0, w_mlm=0.0)
    head = head_of(model)
    torch.nn.init.zeros_(head.weight)
    torch.nn.init.zeros_(head.bias)  # predicts a length of 1
    sums = StepSums()
    GradientStep(model, weights={"length": 2.0}, precision=PRECISION, seed=0)(0, [make_batch(model)], sums)
    logs = math.log(4), math.log(5)  # of the numbers of target tokens
    assert sums.means() == {"length_loss": pytest.approx((logs[0] ** 2 + logs[1] ** 2) / 2), "length_within_tenth": 0.0}
    assert head.bias.grad is not None
    assert float(head.bias.grad) == pytest.approx(2.0 * -sum(logs))  # weight 2, mean of -2 (log - 0)
    assert {id(p) for p in model.new_head_parameters()} == {id(head.weight), id(head.bias)}


@pytest.mark.usefixtures("example")
def test_a_new_objective_is_evaluated_drawn_and_listed(tmp_path: Path) -> None:
    model = build(write_encoder("xlmr", tmp_path), w_length=1.0)
    builder = BatchBuilder(model.tokenizer, MaskingConfig(), seed=0)
    row = make_sample("Mary lebt in Berlin", [("Mary", "Mary")], source="Mary lives in Berlin")
    row |= {"sample_id": "0", "source_lang": "en", "target_lang": "de"}
    metrics = HeldOutEvaluation([row], model=model, builder=builder, batch_size=2, precision=PRECISION)()
    assert {"en-de/length_loss", "en-de/length_within_tenth", "gradient_norm/length"} <= metrics.keys()
    assert "length within a tenth" in metrics_table(metrics)
    (axes,) = evaluation_figure({"eval/en-de/length_within_tenth": [(1, 0.25)]}).axes
    assert [line.get_color() for line in axes.lines] == ["tab:purple"]
    assert loss_labels()["train/length_loss"] == ("length", "tab:purple")


@pytest.mark.usefixtures("example")
def test_a_new_objective_is_saved_and_switched_off(tmp_path: Path) -> None:
    model = build(write_encoder("xlmr", tmp_path / "encoder"), w_length=1.0)
    torch.nn.init.constant_(head_of(model).bias, 3.0)
    model.save(tmp_path / "saved")
    assert float(head_of(build(tmp_path / "saved", w_length=1.0)).bias) == 3.0
    assert set(build(tmp_path / "saved", w_length=0.0).objectives) == {"mlm"}
