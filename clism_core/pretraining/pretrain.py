"""The driver of pre-training: from prepared data to a trained checkpoint."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import ray
from transformers import PreTrainedTokenizerBase

from clism_core.model.encoder import check_max_length, inspect_encoder
from clism_core.model.resolve import model_digest, resolve_model
from clism_core.model.vocabulary import check_words, spread
from clism_core.pretraining.config import PretrainConfig, check_config, data_set_configs
from clism_core.pretraining.dataset import EncodedData, encode_training_data
from clism_core.pretraining.held_out_data import find_held_out, load_held_out
from clism_core.pretraining.identity import identity
from clism_core.pretraining.mixture import FIELD, DataSet, open_data_sets
from clism_core.pretraining.recipe import PretrainingRecipe, build_model
from clism_core.pretraining.trained_tokens import choose_trained_tokens
from clism_core.tracking.data_sets import LoggedDataSet
from clism_core.tracking.run import TrackedRun
from clism_core.training.config import CONFIG_FILE, RunSettings, dump_config
from clism_core.training.data.sampler import SampleOrder, make_stages
from clism_core.training.driver import Hooks, Trained, choose_device, run_training
from clism_core.training.resume import check_same_run, save_identity
from clism_core.utils.errors import InputError
from clism_core.utils.language_pair import LanguagePair
from clism_core.utils.storage import join, write_bytes

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Pretrained(Trained):
    """Result of a pre-training run."""

    samples: int
    """Number of training samples."""
    language_pairs: list[LanguagePair]
    """Language pairs of the training samples."""


def pretrain(config: PretrainConfig, run: TrackedRun, *, hooks: Hooks | None = None) -> Pretrained:
    """Train on the connected Ray cluster, until the last step or a stop request.

    Args:
        config: configuration of the run; a run in its `output` is resumed.
        run: MLflow run for metrics.
        hooks: hooks supplied by the enclosing sweep or study.

    Raises:
        InputError: if the configuration or the data is invalid, before training starts.
        FailureError: if training fails; see `run_training`.
    """
    check_config(config)
    use_gpu = choose_device(config.workers, config.precision)
    data_sets = open_data_sets(data_set_configs(config))
    model_folder = resolve_model(config.model)
    model = build_model(inspect_encoder(model_folder), config)
    tokenizer = model.tokenizer
    check_max_length(model.encoder, model_folder, max_length=config.masking.max_length, field="masking.max_length")
    this_run = identity(config, data=data_sets, tokenizer=tokenizer, model=model_digest(model_folder))
    check_same_run(config.output, this_run)
    _log_data_sets(run, data_sets)
    sentences = find_held_out(data_sets, config.held_out)
    held_out = load_held_out(data_sets, sentences)
    check_words_of_languages(tokenizer, held_out)
    data = encode_training_data(
        data_sets,
        sentences,
        tokenizer,
        min_samples=config.global_batch_size,
        max_samples=config.max_samples,
        span_kind=config.span_kind,
    )
    check_spans(config, data)
    order = build_order(config, data, data_sets)
    logger.info(
        "%d samples to train on, %d held out; %d spans are omitted because a token crosses their boundaries",
        *(len(data), len(held_out), data.unencodable_spans),
    )
    if len(data_sets) > 1:
        _log_passes(data_sets, data, order)
    run.log_summary({"data/samples": len(data), "data/unencodable_spans": data.unencodable_spans})
    tokens = choose_trained_tokens(config, model, data, held_out)
    save_identity(config.output, this_run)
    write_bytes(join(config.output, CONFIG_FILE), dump_config(config).encode())
    recipe = PretrainingRecipe(config, ray.put(held_out), None if tokens is None else ray.put(tokens))
    trained = run_training(
        RunSettings.from_config(config), recipe, data=data, order=order, run=run, use_gpu=use_gpu, hooks=hooks
    )
    return Pretrained(**vars(trained), samples=len(data), language_pairs=data.language_pairs)


def check_spans(config: PretrainConfig, data: EncodedData) -> None:
    """Raise `InputError` if CLISM, which learns from spans, has none."""
    if config.objectives.w_clism and not data.spans:
        raise InputError(
            f"{FIELD}: no span of {len(data):,} samples to train on can be used: {data.unencodable_spans:,} begin or "
            "end within a token of --model; give other data or another model, or --objectives.w_clism 0"
        )


def check_words_of_languages(tokenizer: PreTrainedTokenizerBase, rows: Sequence[Mapping[str, Any]]) -> None:
    """Raise `InputError` if the tokenizer does not know many of the words of a language of the samples; see
    `check_words`."""
    texts: dict[str, list[str]] = {}
    for row in rows:
        for side in ("source", "target"):
            texts.setdefault(row[f"{side}_lang"], []).append(row[side])
    for language, sentences in texts.items():
        check_words(tokenizer, spread(sentences), place=f"--data: language {language}", strict=True)


def build_order(config: PretrainConfig, data: EncodedData, data_sets: Sequence[DataSet]) -> SampleOrder:
    """Return the order of the run's samples; raises `InputError` if a data set would never be drawn."""
    return SampleOrder(
        lengths=data.lengths,
        pair_codes=data.pair_codes,
        set_numbers=data.set_numbers,
        set_weights=[data_set.weight for data_set in data_sets],
        stages=make_stages(config.pairs_per_sample, config.loop.steps),
        global_batch_size=config.global_batch_size,
        window=config.length_window,
        sampling_alpha=config.sampling_alpha,
        seed=config.seed,
    )


def _log_data_sets(run: TrackedRun, data_sets: Sequence[DataSet]) -> None:
    run.log_datasets(
        [
            LoggedDataSet(
                folder=data_set.folder,
                fingerprint=data_set.manifest["fingerprint"],
                profile=data_set.manifest["pairs"],
                weight=data_set.weight if len(data_sets) > 1 else None,
            )
            for data_set in data_sets
        ]
    )


def _log_passes(data_sets: Sequence[DataSet], data: EncodedData, order: SampleOrder) -> None:
    """Log the number of passes over each data set, because many passes over a small one may overfit."""
    total = sum(data_set.weight for data_set in data_sets)
    for number, (data_set, passes) in enumerate(zip(data_sets, order.passes(), strict=True)):
        logger.info(
            "%s: %d samples make %.1f %% of the inputs; the run makes %.3g passes over them",
            *(data_set.folder, (data.set_numbers == number).sum(), 100 * data_set.weight / total, passes),
        )
