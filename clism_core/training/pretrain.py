"""Pre-training from prepared data to a trained checkpoint: what the driver does."""

import dataclasses
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, cast

import ray
import yaml
from ray.train import Checkpoint, CheckpointConfig, FailureConfig, RunConfig, ScalingConfig
from ray.train.torch import TorchTrainer

from clism_core.data.ingest import INGEST_CPUS
from clism_core.data.mixture import DataSet, open_data_sets
from clism_core.data.order import SampleOrder, make_stages
from clism_core.data.samples import EncodedData, encode_training_data, find_held_out, load_held_out
from clism_core.data.tokens import load_tokenizer
from clism_core.errors import InputError
from clism_core.model.encoder import check_architecture
from clism_core.model.names import resolve_model
from clism_core.storage import filesystem, join, write_bytes
from clism_core.tracking.run import LoggedDataSet, TrackedRun
from clism_core.training.config import (
    PretrainConfig,
    WorkersConfig,
    check_config,
    data_set_configs,
    plain_config,
)
from clism_core.training.identity import check_same_run, identity, keep_identity
from clism_core.training.stopping import run_stoppably, start_stop_request
from clism_core.training.worker import Assignment, train_worker

logger = logging.getLogger(__name__)

CHECKPOINTS, CONFIG_FILE = "checkpoints", "config.yaml"


@dataclass(frozen=True)
class Pretrained:
    """What a run has come to. `metrics` are those of `checkpoint`, which becomes the model if it is finished."""

    finished: bool
    step: int
    checkpoint: Checkpoint
    metrics: dict[str, float]
    samples: int
    language_pairs: list[str]


def pretrain(config: PretrainConfig, run: TrackedRun) -> Pretrained:
    """Train on the cluster that Ray is connected to, until the last step or a stop request.

    Args:
        config: what to train; `output` decides which run is resumed.
        run: where metrics go.

    Raises:
        InputError: for a configuration or data that cannot be used, before anything is started.
        FloatingPointError: if training has diverged.
    """
    check_config(config)
    use_gpu = _use_gpu(config)
    _warn_if_data_must_wait(config.workers)
    data_sets = open_data_sets(data_set_configs(config))
    model_folder = resolve_model(config.model)
    check_architecture(model_folder, max_length=config.masking.max_length)
    tokenizer = load_tokenizer(model_folder)
    this_run = identity(config, data=data_sets, tokenizer=tokenizer)
    check_same_run(config.output, this_run)
    _log_data_sets(run, data_sets)
    sentences = find_held_out(data_sets, config.held_out)
    held_out = load_held_out(data_sets, sentences)
    data = encode_training_data(data_sets, sentences, tokenizer, min_samples=config.global_batch_size)
    order = build_order(config, data, data_sets)
    logger.info(
        "%d samples to train on, %d held out; %d spans do not begin and end with tokens and are left out",
        *(len(data), len(held_out), data.unencodable_spans),
    )
    if len(data_sets) > 1:
        _tell_shares(data_sets, data, order)
    run.log_metrics({"data/samples": len(data), "data/unencodable_spans": data.unencodable_spans}, step=0)
    keep_identity(config.output, this_run)
    write_bytes(join(config.output, CONFIG_FILE), dump_config(config).encode())
    stop_request = start_stop_request()
    assignment = Assignment(
        config=plain_config(config),
        data=ray.put(data),
        order=ray.put(order),
        held_out=ray.put(held_out),
        stop_request=stop_request,
        run=run,
        driver_node=ray.get_runtime_context().get_node_id(),
    )
    result: Any = run_stoppably(_trainer(config, assignment, use_gpu=use_gpu).fit, stop_request)
    if result.return_value.error is not None:
        raise result.return_value.error
    finished = result.return_value.finished
    checkpoint, metrics = result.checkpoint, result.metrics
    if finished and config.export == "best":
        checkpoint, metrics = max(result.best_checkpoints, key=lambda kept: float(kept[1].get("score", float("-inf"))))
    return Pretrained(
        finished=finished,
        step=int(metrics["step"]),
        checkpoint=checkpoint,
        metrics={name: value for name, value in metrics.items() if "/" in name},
        samples=len(data),
        language_pairs=data.language_pairs,
    )


def build_order(config: PretrainConfig, data: EncodedData, data_sets: Sequence[DataSet]) -> SampleOrder:
    """Return the order of the run's samples; raises `InputError` where a data set would never be drawn."""
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


def dump_config(config: PretrainConfig) -> str:
    """Return the resolved configuration as YAML, which `--config` takes."""
    return yaml.safe_dump(dataclasses.asdict(config), sort_keys=False, allow_unicode=True)


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


def _tell_shares(data_sets: Sequence[DataSet], data: EncodedData, order: SampleOrder) -> None:
    """Say how often each data set is gone through: a small one of a great weight is soon learnt by heart."""
    total = sum(data_set.weight for data_set in data_sets)
    for number, (data_set, passes) in enumerate(zip(data_sets, order.passes(), strict=True)):
        logger.info(
            "%s: %d samples make %.1f %% of the inputs; the run goes through them %.3g times",
            *(data_set.folder, (data.set_numbers == number).sum(), 100 * data_set.weight / total, passes),
        )


def _use_gpu(config: PretrainConfig) -> bool:
    """Decide between GPU and CPU.

    Raises:
        InputError: if the precision does not fit.
    """
    gpus = int(ray.cluster_resources().get("GPU", 0))
    use_gpu = config.workers.use_gpu
    if use_gpu is None:
        use_gpu = gpus >= config.workers.number
        if gpus and not use_gpu:
            logger.warning(
                "the cluster has %d GPUs, fewer than the %d workers: training on CPUs; --workers.use_gpu true waits "
                "for more",
                *(gpus, config.workers.number),
            )
    logger.info("training on %d %s", config.workers.number, "GPUs" if use_gpu else "workers without a GPU")
    if config.precision == "fp16" and not use_gpu:
        raise InputError("--precision fp16: needs GPUs, but the workers train on CPUs; use fp32, bf16 or auto")
    return use_gpu


def _warn_if_data_must_wait(workers: WorkersConfig) -> None:
    """Say why nothing moves where the workers take all CPUs; nodes that join later may bring more."""
    total, reserved = float(ray.cluster_resources().get("CPU", 0)), workers.number * workers.cpus
    if total < reserved + INGEST_CPUS:
        logger.warning(
            "the workers reserve %g CPUs of %g in the cluster, and handing them data takes %g: training waits until "
            "nodes join; or stop, and lower --workers.number or --workers.cpus",
            *(reserved, total, INGEST_CPUS),
        )


def _trainer(config: PretrainConfig, assignment: Assignment, *, use_gpu: bool) -> TorchTrainer:
    file_system, path = filesystem(config.output)
    return TorchTrainer(
        cast("Callable[[dict[Any, Any]], None]", train_worker),
        train_loop_config={"assignment": assignment},
        scaling_config=ScalingConfig(
            num_workers=config.workers.number,
            use_gpu=use_gpu,
            resources_per_worker={"CPU": config.workers.cpus, **({"GPU": 1} if use_gpu else {})},
        ),
        run_config=RunConfig(
            name=CHECKPOINTS,
            storage_path=path,
            storage_filesystem=file_system,
            checkpoint_config=CheckpointConfig(
                num_to_keep=1, checkpoint_score_attribute="score", checkpoint_score_order="max"
            ),
            failure_config=FailureConfig(max_failures=config.workers.max_failures),
        ),
    )
