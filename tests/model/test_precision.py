from collections.abc import Mapping

import pytest
import torch
from torch import nn

from clism_core.model.precision import (
    MIN_LOSS_SCALE,
    Precision,
    Update,
    at_least_fp32,
    fast_precisions,
    prediction_precision,
)
from clism_core.utils.errors import InputError

CPU = torch.device("cpu")


@pytest.mark.parametrize(
    ("units", "torch_uses", "expected"),
    [
        pytest.param({"avx512_f": True, "avx512_bf16": True, "amx_bf16": True}, "AVX512", ("bf16", "fp32"), id="AMX"),
        pytest.param({"avx512_f": True, "avx512_bf16": True}, "AVX512", ("bf16", "fp32"), id="AVX512-BF16"),
        pytest.param({"avx512_f": True, "avx512_bf16": False, "amx_bf16": False}, "AVX512", ("fp32",), id="AVX512"),
        pytest.param({"avx512_bf16": True, "amx_bf16": True}, "AVX2", ("fp32",), id="restricted to AVX2"),
        pytest.param({"neon": True, "bf16": True}, "DEFAULT", ("fp32",), id="ARM"),
    ],
)
def test_cpus_compute_in_bf16_if_they_have_units_for_it(
    units: Mapping[str, bool], torch_uses: str, expected: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: units)
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: torch_uses)
    assert fast_precisions(CPU) == expected
    assert prediction_precision(CPU).name == "fp32"


@pytest.mark.parametrize(
    ("has_bf16", "expected"),
    [
        pytest.param(True, ("bf16", "fp16", "fp32"), id="A100"),
        pytest.param(False, ("fp16", "fp32"), id="V100"),
    ],
)
def test_gpus_without_bf16_compute_in_fp16(
    has_bf16: bool, expected: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    def is_bf16_supported(*, including_emulation: bool) -> bool:
        return has_bf16 or including_emulation

    monkeypatch.setattr(torch.cuda, "is_bf16_supported", is_bf16_supported)
    assert fast_precisions(torch.device("cuda")) == expected


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
