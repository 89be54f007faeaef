import pytest
import torch
from torch import nn

from clism_core.model.span_head import SpanHead
from clism_core.training.optimizer import OptimizerConfig, build_optimizer


def test_learning_rate_warms_up_and_decays_to_0() -> None:
    optimizer, schedule = build_optimizer(nn.Linear(2, 2), OptimizerConfig(learning_rate=1.0, warmup_steps=4), 10)
    rates = []
    for _ in range(10):
        rates.append(schedule.get_last_lr()[0])
        optimizer.step()
        schedule.step()
    assert rates == pytest.approx([0, 1 / 4, 2 / 4, 3 / 4, 1, 5 / 6, 4 / 6, 3 / 6, 2 / 6, 1 / 6])
    assert schedule.get_last_lr()[0] == 0.0


@pytest.mark.parametrize(
    ("warmup", "steps", "rates"),
    [
        pytest.param(0.5, 4, [0, 1 / 2, 1, 1 / 2], id="half of them"),
        pytest.param(0.1, 20, [0, 1 / 2, 1, 17 / 18], id="a tenth"),
        pytest.param(0.1, 4, [1, 3 / 4, 2 / 4, 1 / 4], id="a tenth of few is none"),
        pytest.param(1.0, 4, [0, 1, 2 / 3, 1 / 3], id="one is a step"),
        pytest.param(0.0, 4, [1, 3 / 4, 2 / 4, 1 / 4], id="none"),
    ],
)
def test_warm_up_may_be_a_share_of_the_steps(warmup: float, steps: int, rates: list[float]) -> None:
    config = OptimizerConfig(learning_rate=1.0, warmup_steps=warmup)
    optimizer, schedule = build_optimizer(nn.Linear(2, 2), config, steps)
    found = []
    for _ in range(4):
        found.append(schedule.get_last_lr()[0])
        optimizer.step()
        schedule.step()
    assert found == pytest.approx(rates)


def test_biases_and_normalisations_do_not_decay() -> None:
    model = nn.Sequential(nn.Linear(3, 2), nn.LayerNorm(2))
    optimizer, _ = build_optimizer(model, OptimizerConfig(weight_decay=0.1), 2000)
    decay = {id(p): group["weight_decay"] for group in optimizer.param_groups for p in group["params"]}
    assert [decay[id(p)] for p in model.parameters()] == [0.1, 0.0, 0.0, 0.0]


def test_frozen_parameters_are_left_out() -> None:
    model = nn.Linear(3, 2)
    model.weight.requires_grad_(False)
    optimizer, _ = build_optimizer(model, OptimizerConfig(), 2000)
    assert [p is model.bias for group in optimizer.param_groups for p in group["params"]] == [True]


def test_without_decay_it_is_adam() -> None:
    torch.manual_seed(0)
    ours, theirs = nn.Linear(3, 2), nn.Linear(3, 2)
    theirs.load_state_dict(ours.state_dict())
    optimizer, _ = build_optimizer(ours, OptimizerConfig(learning_rate=0.1, warmup_steps=0), 10**9)
    adam = torch.optim.Adam(theirs.parameters(), lr=0.1)
    for model, steps in ((ours, optimizer), (theirs, adam)):
        model(torch.ones(1, 3)).square().sum().backward()
        steps.step()
    torch.testing.assert_close(ours.weight, theirs.weight)


def test_tagger_may_have_its_own_learning_rate_and_its_bias_does_not_decay() -> None:
    model = nn.ModuleDict({"encoder": nn.Linear(2, 2), "tagger": nn.Linear(2, 3)})
    config = OptimizerConfig(learning_rate=0.1, head_learning_rate=1.0, warmup_steps=0, weight_decay=0.3)
    optimizer, _ = build_optimizer(model, config, 4, heads=model["tagger"].parameters())
    groups = {id(p): (group["lr"], group["weight_decay"]) for group in optimizer.param_groups for p in group["params"]}
    found = {name: groups[id(parameter)] for name, parameter in model.named_parameters()}
    assert found == {
        "encoder.weight": (0.1, 0.3),
        "encoder.bias": (0.1, 0.0),
        "tagger.weight": (1.0, 0.3),
        "tagger.bias": (1.0, 0.0),
    }


def test_span_head_may_have_its_own_learning_rate() -> None:
    model = nn.ModuleDict({"encoder": nn.Linear(2, 2), "span_head": SpanHead(2)})
    config = OptimizerConfig(learning_rate=0.1, head_learning_rate=1.0, warmup_steps=2, weight_decay=0.3)
    optimizer, schedule = build_optimizer(model, config, 4, heads=model["span_head"].parameters())
    optimizer.step()
    schedule.step()
    groups = {id(p): (group["lr"], group["weight_decay"]) for group in optimizer.param_groups for p in group["params"]}
    found = {name: groups[id(parameter)] for name, parameter in model.named_parameters()}
    assert found == {
        "encoder.weight": (0.05, 0.3),
        "encoder.bias": (0.05, 0.0),
        "span_head.start.weight": (0.5, 0.3),
        "span_head.end.weight": (0.5, 0.3),
    }
    assert schedule.get_last_lr()[0] == 0.05
