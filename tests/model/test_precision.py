import pytest
import torch
from torch import nn

from clism_core.model.precision import MIN_LOSS_SCALE, Precision, Update, at_least_fp32
from clism_core.utils.errors import InputError

CPU = torch.device("cpu")


def test_auto_is_fp32_on_a_cpu() -> None:
    assert Precision("auto", CPU).name == "fp32"


def test_fp16_needs_a_gpu() -> None:
    with pytest.raises(InputError, match="--precision fp16: needs a GPU"):
        Precision("fp16", CPU)


@pytest.mark.parametrize(("name", "dtype"), [("fp32", torch.float32), ("bf16", torch.bfloat16)])
def test_forward_passes_are_cast(name: str, dtype: torch.dtype) -> None:
    with Precision(name, CPU).autocast():  # type: ignore[arg-type]
        assert nn.Linear(2, 2)(torch.ones(1, 2)).dtype == dtype


def test_gradients_are_clipped_and_their_norm_is_returned() -> None:
    model = nn.Linear(1, 1, bias=False)
    nn.init.ones_(model.weight)
    model.weight.grad = torch.tensor([[5.0]])
    update = Precision("fp32", CPU).step(torch.optim.SGD(model.parameters(), lr=1.0), model, 2.0)
    assert update == Update(5.0, "taken")
    assert float(model.weight) == pytest.approx(-1.0, abs=1e-5)


@pytest.mark.parametrize(
    "gradient",
    [
        pytest.param([torch.inf, 0.0], id="infinite"),
        pytest.param([torch.nan, 1.0], id="not a number"),
        pytest.param([1e30, 1e30], id="finite, but not its norm"),
    ],
)
@pytest.mark.parametrize("name", ["fp32", "bf16"])
def test_gradients_that_are_not_finite_do_not_change_weights_or_optimiser(name: str, gradient: list[float]) -> None:
    model = nn.Linear(2, 1, bias=False)
    before = model.weight.detach().clone()
    optimizer = torch.optim.Adam(model.parameters(), lr=1.0)
    model.weight.grad = torch.tensor([gradient])
    update = Precision(name, CPU).step(optimizer, model, 2.0)  # type: ignore[arg-type]
    assert update.outcome == "skipped"
    assert torch.equal(model.weight, before)
    assert not optimizer.state


@pytest.mark.parametrize(
    ("given", "expected"),
    [(torch.float16, torch.float32), (torch.bfloat16, torch.float32), (torch.float64, torch.float64)],
)
def test_at_least_fp32(given: torch.dtype, expected: torch.dtype) -> None:
    assert at_least_fp32(torch.ones(1, dtype=given)).dtype == expected


def test_overflow_reduces_the_loss_scale_down_to_a_minimum_from_which_on_steps_are_skipped() -> None:
    precision = Precision("fp32", torch.device("cpu"))  # fp16 itself needs a GPU; its scaler does not
    precision.scaler = torch.amp.GradScaler("cpu", init_scale=3 * MIN_LOSS_SCALE)
    precision._min_scale = MIN_LOSS_SCALE
    model = nn.Linear(1, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)

    def step(value: float) -> tuple[str, float]:
        """Return the outcome of a step, and the loss scale after it as a multiple of the minimum."""
        optimizer.zero_grad()
        precision.scale(model(torch.tensor([[value]])).sum()).backward()
        outcome = precision.step(optimizer, model, 1.0).outcome
        return outcome, round(precision.scaler.get_scale() / MIN_LOSS_SCALE, 3)

    before = model.weight.item()
    assert step(torch.inf) == ("overflowed", 1.5)
    assert step(torch.inf) == ("overflowed", 0.75)
    assert step(torch.inf) == ("skipped", 1.0)
    assert step(torch.nan) == ("skipped", 1.0)
    assert model.weight.item() == before
    assert step(1.0) == ("taken", 1.0)
    assert model.weight.item() != before
