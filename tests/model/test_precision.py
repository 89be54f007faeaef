import pytest
import torch
from torch import nn

from clism_core.model.precision import MIN_LOSS_SCALE, Precision, at_least_fp32
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
    norm = Precision("fp32", CPU).step(torch.optim.SGD(model.parameters(), lr=1.0), model, 2.0)
    assert norm == 5.0
    assert float(model.weight) == pytest.approx(-1.0, abs=1e-5)


@pytest.mark.parametrize("value", [float("inf"), float("nan")])
def test_gradients_that_are_not_finite_do_not_change_the_weights(value: float) -> None:
    model = nn.Linear(1, 1, bias=False)
    before = model.weight.detach().clone()
    model.weight.grad = torch.tensor([[value]])
    with pytest.raises(FloatingPointError, match="lower --optimizer"):
        Precision("fp32", CPU).step(torch.optim.SGD(model.parameters(), lr=1.0), model, 2.0)
    assert torch.equal(model.weight, before)


@pytest.mark.parametrize(
    ("given", "expected"),
    [(torch.float16, torch.float32), (torch.bfloat16, torch.float32), (torch.float64, torch.float64)],
)
def test_at_least_fp32(given: torch.dtype, expected: torch.dtype) -> None:
    assert at_least_fp32(torch.ones(1, dtype=given)).dtype == expected


def test_gradients_that_stay_infinite_at_any_loss_scale_end_the_run() -> None:
    precision = Precision("fp32", torch.device("cpu"))  # fp16 itself needs a GPU; its scaler does not
    precision.scaler = torch.amp.GradScaler("cpu", init_scale=2 * MIN_LOSS_SCALE)
    precision._min_scale = MIN_LOSS_SCALE
    model = nn.Linear(1, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)

    def step() -> float | None:
        optimizer.zero_grad()
        precision.scale(model(torch.tensor([[torch.inf]])).sum()).backward()
        return precision.step(optimizer, model, 1.0)

    before = model.weight.item()
    assert step() is None
    assert model.weight.item() == before
    with pytest.raises(FloatingPointError, match="diverged"):
        step()
