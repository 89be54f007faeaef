"""Losses of pre-training in fp32 and in lower precision, from the same start on the same inputs.

    python benchmarks/pretrain_precision.py --model MODEL --steps 200 \\
        --corpora '[{path: en-vi.tsv.gz, source_lang: en, target_lang: vi}]'

Both trainings have the same samples, masks and dropout, and the optimiser of the job; only the precision differs. Spans
are drawn at random, so CLISM has nothing to learn but their lengths. Ray is not started.
"""

import argparse

import torch
import yaml
from pretrain_batches import Batches, draw_samples

from clism_core.model.encoder import load_encoder
from clism_core.model.precision import Precision, ResolvedName, best_device
from clism_core.model.resolve import resolve_model
from clism_core.preparation.corpus import CorpusConfig
from clism_core.pretraining.model import PretrainingModel
from clism_core.pretraining.objectives.build import ObjectivesConfig, build_objectives
from clism_core.training.optimizer import OptimizerConfig, build_optimizer
from clism_core.training.step import GradientStep, StepSums

LOSSES = tuple(f"{name}_loss" for name in ObjectivesConfig().weights())


def main() -> None:
    """Train in both precisions and print their losses."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", required=True, help="encoder: folder, hub id or registry name")
    parser.add_argument("--corpora", required=True, help="corpora as for `prepare`, in YAML")
    parser.add_argument("--precision", choices=("bf16", "fp16"), default="bf16", help="precision beside fp32")
    parser.add_argument("--batch_size", type=int, default=16, help="pairs per step")
    parser.add_argument("--steps", type=int, default=200, help="optimiser steps")
    parser.add_argument("--every", type=int, default=20, help="steps over which losses are averaged")
    parser.add_argument("--learning_rate", type=float, default=1e-5, help="after a warm-up over a tenth of the steps")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads(), help="threads on CPUs")
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    fp32, lower = train("fp32", given), train(given.precision, given)
    print("steps".ljust(10) + "".join(f"{name:>12}{given.precision:>9}{'differs':>9}" for name in LOSSES))
    for first in range(0, given.steps, given.every):
        row = f"{first + 1}-{min(first + given.every, given.steps)}".ljust(10)
        for name in LOSSES:
            exact, rounded = (mean([each[name] for each in losses[first:][: given.every]]) for losses in (fp32, lower))
            row += f"{exact:12.4f}{rounded:9.4f}{100 * (rounded / exact - 1):+8.2f}%"
        print(row)


def train(name: ResolvedName, given: argparse.Namespace) -> list[dict[str, float]]:
    """Train from the beginning in a precision; return the losses of each step."""
    device = best_device()
    model = PretrainingModel(load_encoder(resolve_model(given.model), seed=0), seed=0)
    model.use(build_objectives(model, ObjectivesConfig()))
    model.to(device).train()
    corpora = [CorpusConfig(**corpus) for corpus in yaml.safe_load(given.corpora)]
    samples = draw_samples(corpora, model, number=given.batch_size * given.steps)
    batches = Batches(model, samples, given.batch_size, given.steps)
    config = OptimizerConfig(learning_rate=given.learning_rate, warmup_steps=0.1)
    optimizer, schedule = build_optimizer(model, config, given.steps)
    precision = Precision(name, device)
    gradients = GradientStep(model, weights=ObjectivesConfig().weights(), precision=precision, seed=0)
    losses = []
    for step in range(given.steps):
        sums = StepSums()
        optimizer.zero_grad(set_to_none=True)
        gradients(step, [batches.sorted(step)], sums)
        precision.step(optimizer, model, config.max_gradient_norm)
        schedule.step()
        losses.append(sums.means())
        print(f"{name} step {step + 1}: " + ", ".join(f"{losses[-1][each]:.4f}" for each in LOSSES), flush=True)
    return losses


def mean(values: list[float]) -> float:
    """Return the arithmetic mean."""
    return sum(values) / len(values)


if __name__ == "__main__":
    main()
