"""Inputs per second of the fine-tuning step for questions, compared with a plain loop in the same run.

    python benchmarks/finetune_throughput.py --model MODEL --train train.json

`plain` is transformers' `AutoModelForQuestionAnswering` in fp32, with inputs padded to the maximum length and torch's
AdamW. Ours is `GradientStep` with the optimiser of the job, in the best precision of the device and in fp32, with the
part of the vocabulary that the job would train on these inputs (`data`) and with all of it (`full`). There are no
workers, and Ray is not started.

A round is one step of each on the same few-shot examples, in changing order. The time of padding batches is included.
Ratios have 95 % intervals by bootstrap over the rounds.
"""

import argparse
from typing import Any

import numpy as np
import torch
from pretrain_throughput import Contestant, ours_in, ratio, run_rounds
from transformers import AutoModelForQuestionAnswering

from clism_core.model.batching import attention_mask, pad
from clism_core.model.encoder import embedding_weight
from clism_core.model.precision import Precision, ResolvedName, best_device
from clism_core.model.pretrained import load_config
from clism_core.model.resolve import resolve_model
from clism_core.model.tokenizer import special_id
from clism_core.model.trained_vocabulary import template_tokens
from clism_core.tasks.finetuning.data import draw
from clism_core.tasks.mrc.config import MrcConfig
from clism_core.tasks.mrc.model import MrcModel
from clism_core.tasks.mrc.task import MRC
from clism_core.training.data.indexed_rows import Row
from clism_core.training.optimizer import OptimizerConfig, build_optimizer
from clism_core.training.step import GradientStep, StepSums


def main() -> None:
    """Measure all loops and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", required=True, help="encoder: folder, hub id or registry name")
    parser.add_argument("--train", required=True, help="questions in SQuAD format")
    parser.add_argument("--examples", type=int, default=128, help="questions of the few-shot sample")
    parser.add_argument("--batch_size", type=int, default=32, help="inputs per step")
    parser.add_argument("--max_length", type=int, default=384, help="tokens of an input")
    parser.add_argument("--rounds", type=int, default=6, help="steps of each loop")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads(), help="threads on CPUs")
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    device, folder = best_device(), resolve_model(given.model)
    config = MrcConfig(max_length=given.max_length)
    questions, _ = MRC.read_training([given.train], config, language="en", encoding="utf-8")
    questions = draw(questions, given.examples, seed=0)
    tokenizer = MrcModel.begin(folder, config, seed=0).tokenizer
    encode = MRC.encoder(tokenizer, config)
    rows = [row for question in questions for row in encode(question)[0]]
    if len(rows) < given.batch_size:
        parser.error(f"{len(rows)} inputs are fewer than --batch_size {given.batch_size}")
    order = np.concatenate([np.random.default_rng(n).permutation(len(rows)) for n in range(given.rounds)])
    batches = [
        [rows[place] for place in part]
        for part in order[: given.rounds * given.batch_size].reshape(given.rounds, given.batch_size)
    ]
    contestants = [
        ours(folder, config, batches, name, vocabulary) for name in ours_in(device) for vocabulary in ("data", "full")
    ]
    contestants.append(plain(folder, batches, max_length=given.max_length, pad_id=special_id(tokenizer, "pad")))
    for _ in run_rounds(contestants, given.rounds, device):
        pass
    lengths = [len(row["input_ids"]) for row in rows]
    print(f"{len(rows)} inputs of {len(questions)} questions, {np.mean(lengths):.0f} tokens on average")
    print(f"{'loop':14}{'precision':11}{'s/step':>8}{'inputs/s':>10}  time / ours [95 %]")
    for each in contestants:
        seconds = sum(each.seconds) / len(each.seconds)
        value, low, high = ratio(each.seconds, contestants[0].seconds)
        row = f"{seconds:8.2f}{given.batch_size / seconds:10.1f}"
        print(f"{each.name:14}{each.precision:11}{row}  {value:.2f} [{low:.2f}, {high:.2f}]")


def ours(
    folder: str, config: MrcConfig, batches: list[list[Row]], precision_name: ResolvedName, vocabulary: str
) -> Contestant:
    """Return the step of the job."""
    model = MrcModel.begin(folder, config, seed=0)
    if vocabulary == "data":
        used = {token for batch in batches for row in batch for token in row["input_ids"]}
        kept = sorted(used | template_tokens(model.tokenizer, model.encoder))
        model.restrict_vocabulary(torch.tensor(kept))
    model.to(best_device()).train()
    print(f"{len(embedding_weight(model.encoder)):,} tokens are trained with {vocabulary}")
    precision = Precision(precision_name, best_device())
    settings = OptimizerConfig(learning_rate=3e-5, warmup_steps=0)
    optimizer, _ = build_optimizer(model, settings, 10**6)
    gradients = GradientStep(model, weights=dict.fromkeys(model.objectives, 1.0), precision=precision, seed=0)
    collate = MRC.collator(model.tokenizer)

    def step(number: int) -> None:
        optimizer.zero_grad(set_to_none=True)
        gradients(number, [collate(batches[number]).to(best_device())], StepSums())
        precision.step(optimizer, model, settings.max_gradient_norm)

    return Contestant(f"ours, {vocabulary}", precision_name, step)


def plain(folder: str, batches: list[list[Row]], *, max_length: int, pad_id: int) -> Contestant:
    """Return a loop as in transformers' examples, on the same inputs. Its weights are random, as times do not depend on
    them."""
    model: Any = AutoModelForQuestionAnswering.from_config(load_config(folder))
    model.to(best_device()).train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-5)
    size = len(model.get_input_embeddings().weight)

    def step(number: int) -> None:
        texts = [[min(token, size - 1) for token in row["input_ids"]] for row in batches[number]]  # a new [QUE] is last
        texts.append([pad_id] * max_length)
        ids, mask = (each[:-1].to(best_device()) for each in (pad(texts, pad_id), attention_mask(texts)))
        places = {
            name: torch.tensor([row[column] for row in batches[number]], device=best_device())
            for name, column in (("start_positions", "answer_start"), ("end_positions", "answer_end"))
        }
        optimizer.zero_grad(set_to_none=True)
        model(input_ids=ids, attention_mask=mask, **places).loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()

    return Contestant("plain", "fp32", step)


if __name__ == "__main__":
    main()
