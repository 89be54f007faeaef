"""Fine-tuning from labelled files to a trained checkpoint: the part that runs on the driver."""

import logging
import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import ray

from clism_core.model.encoder import check_max_length, inspect_encoder
from clism_core.model.resolve import model_digest, resolve_model
from clism_core.model.vocabulary import check_words, spread
from clism_core.tasks.finetuning.config import FinetuneConfig, check_config
from clism_core.tasks.finetuning.data import (
    EncodedExamples,
    LabelledData,
    digest,
    encode_examples,
    load_data,
    source_names,
)
from clism_core.tasks.finetuning.recipe import PROBE_ROWS, FinetuningRecipe
from clism_core.tasks.finetuning.trained_tokens import choose_trained_tokens
from clism_core.tracking.data_sets import LoggedDataSet
from clism_core.tracking.run import TrackedRun
from clism_core.training.config import CONFIG_FILE, RunSettings, dump_config
from clism_core.training.data.sampler import Integers, SampleOrder, make_stages
from clism_core.training.driver import Hooks, Trained, choose_device, run_training
from clism_core.training.loop import LoopConfig
from clism_core.training.resume import check_same_run, identity_fields, save_identity, vocabulary_digest
from clism_core.utils.errors import InputError
from clism_core.utils.fields import Adjustable, Incidental, Input
from clism_core.utils.storage import join, write_bytes

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Finetuned(Trained):
    """Result of a fine-tuning run, and the sizes of its data."""

    examples: int
    dev_examples: int


def finetune(config: FinetuneConfig, run: TrackedRun, *, hooks: Hooks | None = None) -> Finetuned:
    """Fine-tune on the cluster that Ray is connected to, until the last step or a stop request.

    Args:
        config: configuration of the run; an unfinished run in its `output` folder is resumed.
        run: tracked run that receives the metrics.
        hooks: hooks of the enclosing sweep or study.

    Raises:
        InputError: if the configuration or the data cannot be used; raised before training starts.
        FailureError: if training fails; see `run_training`.
    """
    check_config(config)
    use_gpu = choose_device(config.workers, config.precision)
    data = load_data(config)
    model_folder = resolve_model(config.model)
    task, options = config.task_object, config.task_options
    model = task.model.begin(
        model_folder, options, seed=config.seed, reinit_head=config.reinit_head, load_encoder=inspect_encoder
    )
    tokenizer = model.tokenizer
    check_max_length(model.encoder, model_folder, max_length=options.max_length, field=f"{config.task}.max_length")
    for field, examples in (("train", data.train), ("dev", data.dev)):
        check_words(tokenizer, map(_text, map(task.content, spread(examples))), place=f"--{field}", strict=True)
    this_run = run_identity(config) | sources_identity(data, model_folder)
    this_run["vocabulary"] = vocabulary_digest(tokenizer)
    check_same_run(config.output, this_run)
    _log_data(run, config, data)
    encoded = encode_examples(data.train, task.encoder(tokenizer, options), task.training_schema)
    check_few_shot(config, encoded)
    steps = count_steps(config, inputs=len(encoded.rows))
    logger.info(
        "%s inputs of %d examples; %d steps of %d inputs, %.3g epochs",
        *(f"{len(encoded.rows):,}", encoded.examples, steps, config.global_batch_size),
        steps * config.global_batch_size / len(encoded.rows),
    )
    for name, number in encoded.counts.items():
        if number:
            logger.warning("--train: %d %s", number, task.encoder_warnings[name])
    counts = {f"data/{name}": number for name, number in encoded.counts.items()} | {"data/inputs": len(encoded.rows)}
    run.log_summary({**data.counts, **counts})
    save_identity(config.output, this_run)
    write_bytes(join(config.output, CONFIG_FILE), dump_config(config).encode())
    probe_rows = ray.get(encoded.rows.blocks[0]).slice(0, PROBE_ROWS).to_pylist()
    tokens = choose_trained_tokens(config, model, encoded.rows, data.dev)
    recipe = FinetuningRecipe(config, ray.put(data.dev), probe_rows, None if tokens is None else ray.put(tokens))
    loop = LoopConfig(**vars(config.loop), steps=steps)
    trained = run_training(
        RunSettings.from_config(config, loop=loop),
        recipe,
        data=encoded.rows,
        order=build_order(config, encoded.rows.lengths, steps=steps),
        run=run,
        use_gpu=use_gpu,
        hooks=hooks,
    )
    return Finetuned(**vars(trained), examples=encoded.examples, dev_examples=len(data.dev))


def check_few_shot(config: FinetuneConfig, encoded: EncodedExamples) -> None:
    """Raise `InputError` if fewer examples than the few-shot sample of `config.examples` yield an input."""
    if config.examples is not None and encoded.examples < config.examples:
        problems = config.task_object.encoder_warnings
        reasons = "; ".join(f"{number} {problems[name]}" for name, number in encoded.counts.items() if number)
        raise InputError(
            f"--examples {config.examples}: only {encoded.examples} of the examples yield an input ({reasons}); raise "
            f"--{config.task}.max_length, or give another --sample_seed or other data"
        )


def _text(content: Any) -> str:
    return content if isinstance(content, str) else " ".join(content)


def run_identity(config: FinetuneConfig) -> dict[str, Any]:
    """Return the configuration fields that identify the run; the options of other tasks are not among them."""
    fields = identity_fields(config, Incidental, Adjustable, Input)
    return {name: value for name, value in fields.items() if name.split(".")[0] not in config.other_tasks}


def sources_identity(data: LabelledData, model_folder: str) -> dict[str, str]:
    """Return hashes of the training data, the development data and the initial model."""
    return {"train": digest(data.train), "dev": digest(data.dev), "model": model_digest(model_folder)}


def count_steps(config: FinetuneConfig, *, inputs: int) -> int:
    """Return the number of optimiser steps of the run; raises `InputError` if all of them would be warm-up."""
    steps = config.steps or math.ceil(config.epochs * inputs / config.global_batch_size)
    warmup = config.optimizer.warmup_steps
    if warmup >= max(1, steps):
        raise InputError(
            f"--optimizer.warmup_steps {warmup}: the run has only {steps} steps; lower it, or give a fraction of them, "
            "such as 0.1"
        )
    return steps


def build_order(config: FinetuneConfig, lengths: Integers, *, steps: int) -> SampleOrder:
    """Return the order of the inputs: successive permutations of all of them, independent of the number of workers.

    At most a tenth of the data is sorted by length together, even if `length_window` batches are more. With few-shot
    data, a window would contain each example several times, and sorting would put the copies into one batch.
    """
    one_group = np.zeros(len(lengths), dtype=np.int64)
    tenth = len(lengths) // (10 * config.global_batch_size)
    return SampleOrder(
        lengths=lengths,
        pair_codes=one_group,
        set_numbers=one_group,
        set_weights=[1.0],
        stages=make_stages({0.0: 1}, steps),
        global_batch_size=config.global_batch_size,
        window=max(1, min(config.length_window, tenth)),
        sampling_alpha=1.0,
        seed=config.seed,
    )


def _log_data(run: TrackedRun, config: FinetuneConfig, data: LabelledData) -> None:
    parts = (("training", config.train, data.train), ("development", config.dev, data.dev))
    run.log_datasets(
        [
            LoggedDataSet(
                folder=", ".join(source_names(source)),
                fingerprint=digest(examples),
                profile={"examples": len(examples), "language": config.language},
                context=context,
            )
            for context, source, examples in parts
        ]
    )
