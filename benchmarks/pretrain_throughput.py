"""Sentence pairs per second of the pre-training step, compared with hand-written loops in the same run.

    python benchmarks/pretrain_throughput.py --model MODEL \
        --corpora '[{path: en-vi.tsv.gz, source_lang: en, target_lang: vi}]'

`pretrain_loops.py` has the loops: `three passes` (padded to the maximum length, logits at all positions, random order),
`two passes` (sorted by length, padded to the longest, logits at all positions) and `masked only` (the same with logits
at masked positions). The first two are in fp32, the third in the best precision of the device. Ours is `GradientStep`
with the optimiser of the job, in both precisions, and with the part of the vocabulary that the job would train on these
pairs (`data`). There are no workers, and Ray is not started.

A round is one step of each on the same pairs, in changing order; only `three passes` has other pairs. All loops share
one model, because times do not depend on its weights; `data` has its own. Loops with logits at all positions split
their batch such that the logits fit `--max_logits_gib`. Spans are drawn at random, two per pair. The time of building
batches is included.

Useful FLOP are those of the encoder on tokens without padding and of logits at masked positions, forward and backward;
they are the same for all loops, also for `data`, which computes only a part of these logits. `share` is their rate as a
share of that of matrix products (2048 x 768 x 3072) in the same precision, measured in each round. Ratios have 95 %
intervals by bootstrap over the rounds.
"""

import argparse
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import torch
import yaml
from pretrain_batches import WINDOW, Batches, draw_samples, useful_flop
from pretrain_loops import PlainLoop, masked_only, three_passes, two_passes

from clism_core.model.encoder import embedding_weight, load_encoder
from clism_core.model.precision import Precision, ResolvedName, best_device, fast_precisions
from clism_core.model.resolve import resolve_model
from clism_core.preparation.corpus import CorpusConfig
from clism_core.pretraining.encoding import EncodedSample
from clism_core.pretraining.model import PretrainingModel
from clism_core.pretraining.objectives.build import ObjectivesConfig, build_objectives
from clism_core.pretraining.trained_tokens import needed_tokens, sample_others
from clism_core.training.optimizer import OptimizerConfig, build_optimizer
from clism_core.training.step import GradientStep, StepSums

Seconds = npt.NDArray[np.float64]


@dataclass
class Contestant:
    """A loop in a precision, and the seconds of its steps."""

    name: str
    precision: ResolvedName
    step: Callable[[int], object]
    """Builds the batch of a round, and trains on it."""
    seconds: list[float] = field(default_factory=list)


def main() -> None:
    """Measure all loops and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", required=True, help="encoder: folder, hub id or registry name")
    parser.add_argument("--corpora", required=True, help="corpora as for `prepare`, in YAML")
    parser.add_argument("--batch_size", type=int, default=16, help="pairs per step")
    parser.add_argument("--rounds", type=int, default=WINDOW, help="steps of each loop")
    parser.add_argument("--max_logits_gib", type=float, default=1.5, help="memory for fp32 logits at all positions")
    parser.add_argument("--vocabulary_sample", type=int, default=20_000, help="tokens outside of the data, for `data`")
    parser.add_argument("--loops", nargs="*", default=[], help="names of the loops to measure, `ours` included; all")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads(), help="threads on CPUs")
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    device = best_device()
    model = load(given.model).to(device).train()
    corpora = [CorpusConfig(**corpus) for corpus in yaml.safe_load(given.corpora)]
    samples = draw_samples(corpora, model, number=given.batch_size * given.rounds)
    batches = Batches(model, samples, given.batch_size, given.rounds)
    limit = int(given.max_logits_gib * 2**30) // (4 * len(embedding_weight(model.encoder)))
    contestants = enter(model, batches, max_positions=limit)
    restricted = restrict(load(given.model), samples, others=given.vocabulary_sample).to(device).train()
    smaller = Batches(restricted, samples, given.batch_size, given.rounds)
    contestants += [ours(restricted, smaller, name, "ours, data") for name in ours_in(device)]
    contestants = [each for each in contestants if not given.loops or each.name in given.loops]
    products: dict[ResolvedName, list[float]] = {each.precision: [] for each in contestants}
    for _ in run_rounds(contestants, given.rounds, device):
        for name, rates in products.items():
            rates.append(matrix_product(name, device))
    useful = sum(useful_flop(model, batches.sorted(number)) for number in range(given.rounds))
    print(f"{len(embedding_weight(restricted.encoder)):,} of {len(embedding_weight(model.encoder)):,} tokens in `data`")
    cores = f"{torch.get_num_threads()} threads" if device.type == "cpu" else torch.cuda.get_device_name(device)
    tokens = np.mean([batches.sorted(number).n_tokens for number in range(given.rounds)]) / given.batch_size
    print(f"{given.rounds} steps of {given.batch_size} pairs, {tokens:.0f} tokens of X on average; {cores}")
    print_table(contestants, products, useful=useful, pairs=given.batch_size * given.rounds)


def run_rounds(contestants: Sequence[Contestant], rounds: int, device: torch.device) -> Iterator[int]:
    """Take a step of each contestant in every round, in changing order, and yield the number of the round.

    The first round, -1, is a warm-up, whose seconds are not kept.
    """
    for number in (-1, *range(rounds)):
        for place in range(len(contestants)):
            contestant = contestants[(number + place) % len(contestants)]
            began = time.perf_counter()
            contestant.step(max(number, 0))
            synchronise(device)
            if number >= 0:
                contestant.seconds.append(time.perf_counter() - began)
        if number >= 0:
            print(f"round {number + 1}: " + " ".join(f"{each.seconds[-1]:.2f}" for each in contestants), flush=True)
        yield number


def load(name: str) -> PretrainingModel:
    """Return the model of the job with all objectives."""
    model = PretrainingModel(load_encoder(resolve_model(name), seed=0), seed=0)
    model.use(build_objectives(model, ObjectivesConfig()))
    return model


def restrict(model: PretrainingModel, samples: Sequence[EncodedSample], *, others: int) -> PretrainingModel:
    """Restrict the vocabulary of a model to the samples, special tokens and a number of others."""
    used = needed_tokens(model, [])
    for sample in samples:
        used[sample.source_ids + sample.target_ids] = True
    used |= sample_others(used, len(model.tokenizer), number=others, seed=0)
    model.restrict_vocabulary(torch.from_numpy(np.flatnonzero(used)))
    return model


def ours_in(device: torch.device) -> list[ResolvedName]:
    """Return the precisions in which our step is measured: the best one of the device, and fp32."""
    return list(dict.fromkeys([fast_precisions(device)[0], "fp32"]))


def ours(model: PretrainingModel, batches: Batches, precision_name: ResolvedName, name: str = "ours") -> Contestant:
    """Return the step of the job."""
    config = OptimizerConfig(learning_rate=1e-6, warmup_steps=0)
    precision = Precision(precision_name, next(model.parameters()).device)
    optimizer, _ = build_optimizer(model, config, 10**6)
    gradients = GradientStep(model, weights=ObjectivesConfig().weights(), precision=precision, seed=0)

    def step(number: int) -> None:
        optimizer.zero_grad(set_to_none=True)
        gradients(number, [batches.sorted(number)], StepSums())
        precision.step(optimizer, model, config.max_gradient_norm)

    return Contestant(name, precision_name, step)


def enter(model: PretrainingModel, batches: Batches, *, max_positions: int) -> list[Contestant]:
    """Return all loops over the whole vocabulary; ours in the best precision comes first."""
    device = next(model.parameters()).device
    best = fast_precisions(device)[0]
    plain = torch.optim.AdamW(model.parameters(), lr=1e-6, weight_decay=0.0)
    fp32 = Precision("fp32", device)
    length = batches.builder.config.max_length
    paper = PlainLoop(model, plain, fp32, three_passes(length))
    good = PlainLoop(model, plain, fp32, two_passes)
    strong = PlainLoop(model, plain, Precision(best, device), masked_only)
    return [
        *(ours(model, batches, name) for name in ours_in(device)),
        Contestant("masked only", best, lambda number: strong([batches.sorted(number)])),
        Contestant("two passes", "fp32", lambda number: good(batches.sorted_parts(number, max_positions))),
        Contestant(
            "three passes", "fp32", lambda number: paper(batches.random_parts(number, max(1, max_positions // length)))
        ),
    ]


def matrix_product(name: ResolvedName, device: torch.device, *, repeats: int = 5) -> float:
    """Return the FLOP per second of matrix products of the encoder's size."""
    dtype = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}[name]
    left = torch.randn(2048, 768, device=device).to(dtype)
    right = torch.randn(768, 3072, device=device).to(dtype)
    left @ right
    synchronise(device)
    began = time.perf_counter()
    for _ in range(repeats):
        left @ right
    synchronise(device)
    return repeats * 2 * 2048 * 768 * 3072 / (time.perf_counter() - began)


def synchronise(device: torch.device) -> None:
    """Wait for the GPU."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def ratio(theirs: Sequence[float], ours: Sequence[float], *, resamples: int = 10_000) -> tuple[float, float, float]:
    """Return how many times as long `theirs` take as `ours`, with a 95 % interval by bootstrap over the rounds."""
    pairs = np.array([theirs, ours])
    drawn = np.random.default_rng(0).integers(pairs.shape[1], size=(resamples, pairs.shape[1]))
    sums: Seconds = pairs[:, drawn].sum(axis=2)
    low, high = np.quantile(sums[0] / sums[1], [0.025, 0.975])
    return float(pairs[0].sum() / pairs[1].sum()), float(low), float(high)


def print_table(
    contestants: Sequence[Contestant], products: dict[ResolvedName, list[float]], *, useful: float, pairs: int
) -> None:
    """Print a row for each loop, and for the matrix products."""
    best = contestants[0]
    print(f"{'loop':14}{'precision':11}{'s/step':>8}{'pairs/s':>9}{'GFLOP/s':>9}{'share':>7}  time / ours [95 %]")
    for each in contestants:
        seconds = sum(each.seconds)
        rate = useful / seconds
        value, low, high = ratio(each.seconds, best.seconds)
        share = rate / float(np.median(products[each.precision]))
        row = f"{seconds / len(each.seconds):8.2f}{pairs / seconds:9.1f}{rate / 1e9:9.0f}{100 * share:5.0f} %"
        print(f"{each.name:14}{each.precision:11}{row}  {value:.2f} [{low:.2f}, {high:.2f}]")
    for name, rates in products.items():
        print(f"{'product':14}{name:11}{'':17}{np.median(rates) / 1e9:9.0f}")


if __name__ == "__main__":
    main()
