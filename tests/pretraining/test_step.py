"""Losses and gradients do not depend on how a global batch is distributed over workers and micro-batches."""

from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TypedDict

import pytest
import torch
from tiny import sample, write_encoder
from torch import Tensor
from torch import distributed as dist
from torch._C._distributed_c10d import TCPStore
from torch.multiprocessing.spawn import spawn
from torch.nn.functional import cross_entropy, normalize
from torch.nn.parallel import DistributedDataParallel

from clism_core.cluster.collectives import gather_rows
from clism_core.model.encoder import encode, load_encoder, mean_pool
from clism_core.model.precision import Precision
from clism_core.model.trainable import freeze_unused
from clism_core.pretraining.batches import Batch, BatchBuilder, MaskingConfig
from clism_core.pretraining.encoding import EncodedSample
from clism_core.pretraining.model import PretrainingModel
from clism_core.pretraining.objectives.build import ObjectivesConfig, build_objectives
from clism_core.training.step import GradientStep, StepSums

N = 16
WEIGHTS = ObjectivesConfig(w_clism=1.0, w_cacr=0.5, w_mlm=2.0, temperature=0.2)


@dataclass(frozen=True)
class Spread:
    """Distribution of a global batch, and whether it has questions."""

    workers: int
    micro_batch_size: int
    questions: bool = True
    samples: int = N


TWO_WORKERS = {
    "2 x 8": Spread(workers=2, micro_batch_size=8),
    "2 x (2 x 4 accumulated)": Spread(workers=2, micro_batch_size=4),
    "2 x (3 + 3 + 2 accumulated)": Spread(workers=2, micro_batch_size=3),
}
UNEQUAL = {
    "8 and 7": Spread(workers=2, micro_batch_size=8, samples=15),
    "7 + 1 and 7": Spread(workers=2, micro_batch_size=7, samples=15),
}
NO_QUESTIONS = Spread(workers=2, micro_batch_size=8, questions=False)


class Results(TypedDict):
    """Results of one step on one worker."""

    means: dict[str, float]
    gradients: dict[str, Tensor]


def samples(*, questions: bool = True) -> list[EncodedSample]:
    """16 pairs of different lengths; the odd ones, which the second of two workers gets, have no questions."""
    generator = torch.Generator().manual_seed(5)
    made = []
    for number in range(N):
        size = 4 + number // 2
        ids = torch.randint(5, 100, (2, size), generator=generator).tolist()
        spans = [(1, 3, 0, 1 + number % 3)] if questions and number % 2 == 0 else []
        made.append(sample(source=ids[0], target=ids[1], spans=spans, ordinal=number))
    return made


def build_model(folder: Path, weights: ObjectivesConfig = WEIGHTS) -> PretrainingModel:
    model = PretrainingModel(load_encoder(str(folder), seed=0), seed=0)
    model.use(build_objectives(model, weights))
    builder = BatchBuilder(model.tokenizer, MaskingConfig(), seed=0)
    freeze_unused(model, builder([[entry] for entry in samples()[:2]]))
    return model.double()


def micro_batches(model: PretrainingModel, spread: Spread, rank: int) -> list[Batch]:
    own = samples(questions=spread.questions)[: spread.samples][rank :: spread.workers]
    builder = BatchBuilder(model.tokenizer, MaskingConfig(max_length=64), seed=0)
    size = spread.micro_batch_size
    return [builder([[entry] for entry in own[first : first + size]]) for first in range(0, len(own), size)]


def run_step(rank: int, folder: Path, spread: Spread) -> Results:
    model = build_model(folder)
    wrapped = DistributedDataParallel(model) if spread.workers > 1 else model
    sums = StepSums()
    step = GradientStep(wrapped, weights=WEIGHTS.weights(), precision=Precision("fp32", torch.device("cpu")), seed=0)
    step(3, micro_batches(model, spread, rank), sums)
    means = sums.means()
    gradients = {name: p.grad for name, p in model.named_parameters() if p.requires_grad and p.grad is not None}
    return {"means": means, "gradients": gradients}


def run_steps(rank: int, folder: Path, spreads: list[Spread], port: int, out: Path) -> None:
    """Run the steps of one of two workers in sequence, and put the results into `out`."""
    torch.set_num_threads(1)
    store = TCPStore("127.0.0.1", port, is_master=False)
    dist.init_process_group("gloo", store=store, rank=rank, world_size=2, timeout=timedelta(minutes=3))
    torch.save([run_step(rank, folder, spread) for spread in spreads], out / f"{rank}.pt")
    dist.destroy_process_group()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_encoder("xlmr", tmp_path_factory.mktemp("xlmr"))


@pytest.fixture(scope="module")
def whole(folder: Path) -> Results:
    return run_step(0, folder, Spread(workers=1, micro_batch_size=16))


@pytest.fixture(scope="module")
def by_worker(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[Spread, list[Results]]:
    """Results of each of two workers, by distribution; the workers are started once, and connect to a store of this
    process."""
    out = tmp_path_factory.mktemp("workers")
    spreads = [*TWO_WORKERS.values(), *UNEQUAL.values(), NO_QUESTIONS]
    store = TCPStore("127.0.0.1", 0, is_master=True, wait_for_workers=False)
    spawn(run_steps, (folder, spreads, store.port, out), nprocs=2, daemon=True)
    first, second = (torch.load(out / f"{rank}.pt") for rank in range(2))
    return {spread: [first[number], second[number]] for number, spread in enumerate(spreads)}


def check(result: Results, whole: Results) -> None:
    assert result["means"] == pytest.approx(whole["means"], rel=1e-9)
    assert result["gradients"].keys() == whole["gradients"].keys()
    for name, gradient in result["gradients"].items():
        torch.testing.assert_close(gradient, whole["gradients"][name], rtol=1e-7, atol=1e-9, msg=name)


@pytest.mark.parametrize("spread", TWO_WORKERS.values(), ids=TWO_WORKERS)
def test_losses_and_gradients_do_not_depend_on_the_distribution(
    whole: Results, by_worker: dict[Spread, list[Results]], spread: Spread
) -> None:
    for result in by_worker[spread]:
        check(result, whole)


@pytest.mark.parametrize("spread", UNEQUAL.values(), ids=UNEQUAL)
def test_workers_may_have_unequal_shares(folder: Path, by_worker: dict[Spread, list[Results]], spread: Spread) -> None:
    """As elastic workers have, whose number need not divide the global batch."""
    whole = run_step(0, folder, Spread(workers=1, micro_batch_size=15, samples=15))
    for result in by_worker[spread]:
        check(result, whole)


def test_losses_and_gradients_do_not_depend_on_accumulation(folder: Path, whole: Results) -> None:
    check(run_step(0, folder, Spread(workers=1, micro_batch_size=4)), whole)


def test_step_equals_the_sum_of_plain_losses(folder: Path, whole: Results) -> None:
    """The three losses written out, with one backward pass and without gathering, caching or surrogate."""
    model = build_model(folder)
    (batch,) = micro_batches(model, Spread(1, 16), 0)
    h = encode(model.encoder, batch.input_ids, batch.attention_mask, batch.token_type_ids)
    s = encode(model.encoder, batch.plain_ids, batch.plain_attention_mask, None)
    asked = batch.question_mask[:, 0]
    que = h[asked, batch.question_position[asked, 0]]
    padding = batch.attention_mask[asked] == 0
    clism = sum(
        cross_entropy(
            torch.einsum("qd,qld->ql", que @ weight.T, h[asked]).masked_fill(padding, -torch.inf),
            gold[asked, 0],
        )
        for weight, gold in (
            (model.span_head.start.weight, batch.answer_start),
            (model.span_head.end.weight, batch.answer_end),
        )
    )
    masked, target, plain = (
        normalize(mean_pool(states, mask), dim=-1)
        for states, mask in ((h, batch.source_mask), (h, batch.target_mask), (s, batch.plain_mask))
    )
    own = torch.arange(N)
    cacr = sum(cross_entropy(a @ b.T / 0.2, own) for a, b in ((target, masked), (plain, masked), (target, plain)))
    mlm = cross_entropy(model.mlm_head(h[batch.mlm_row, batch.mlm_position]), batch.mlm_label)
    (clism + 0.5 * cacr + 2 * mlm).backward()
    means = whole["means"]
    assert (means["clism_loss"], means["cacr_loss"], means["mlm_loss"]) == pytest.approx(
        (float(clism), float(cacr), float(mlm)), rel=1e-9
    )
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            torch.testing.assert_close(parameter.grad, whole["gradients"][name], rtol=1e-7, atol=1e-9, msg=name)


@pytest.mark.parametrize("spread", [TWO_WORKERS["2 x 8"], NO_QUESTIONS], ids=["one asks", "nobody asks"])
def test_worker_without_questions_participates(by_worker: dict[Spread, list[Results]], spread: Spread) -> None:
    """The second of two workers has the odd samples, which have no questions."""
    first, second = by_worker[spread]
    assert ("clism_loss" in first["means"]) == spread.questions
    for name, gradient in first["gradients"].items():
        torch.testing.assert_close(gradient, second["gradients"][name], msg=name)
    assert bool(first["gradients"]["span_head.start.weight"].any()) == spread.questions


def test_dropout_is_replayed_under_accumulation(folder: Path) -> None:
    """The cached vectors and the replayed ones have the same dropout."""
    model = build_model(folder)
    for module in model.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.3
    model.train()
    seen: list[Tensor] = []
    model.objectives["cacr"].register_forward_hook(lambda _m, _i, vectors: seen.append(vectors.detach()))
    step = GradientStep(model, weights=WEIGHTS.weights(), precision=Precision("fp32", torch.device("cpu")), seed=0)
    step(0, micro_batches(model, Spread(1, 8), 0), StepSums())
    first_pass, replay = torch.cat(seen[:2]), torch.cat(seen[2:])
    assert torch.equal(first_pass, replay)
    seen.clear()
    step(1, micro_batches(model, Spread(1, 8), 0), StepSums())
    assert not torch.equal(first_pass, torch.cat(seen[:2]))


@pytest.mark.parametrize("off", ["clism", "cacr", "mlm"])
def test_objective_with_weight_0_is_not_computed(folder: Path, off: str) -> None:
    model = build_model(folder, ObjectivesConfig(**{f"w_{off}": 0.0}))
    assert off not in model.objectives
    forwards = []
    model.encoder.register_forward_hook(lambda *_: forwards.append(1))
    model(micro_batches(model, Spread(1, 16), 0)[0])
    assert len(forwards) == (1 if off == "cacr" else 2)
    frozen = {name for name, parameter in model.named_parameters() if not parameter.requires_grad}
    if off == "clism":
        assert {"span_head.start.weight", "span_head.end.weight"} <= frozen


def test_rows_are_gathered_in_rank_order_also_on_one_worker() -> None:
    rows = torch.randn(3, 2, requires_grad=True)
    assert torch.equal(gather_rows(rows), rows)
    assert not gather_rows(rows).requires_grad
