"""Pre-training from prepared data to a model folder: what the driver does."""

import dataclasses
import json
import logging
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import ray
import yaml
from pyarrow import fs
from ray.train import Checkpoint, CheckpointConfig, FailureConfig, RunConfig, ScalingConfig
from ray.train.torch import TorchTrainer

from clism_core.data.manifest import read_manifest
from clism_core.data.order import SampleOrder, make_stages
from clism_core.data.samples import encode_training_data, load_held_out
from clism_core.data.tokens import load_tokenizer
from clism_core.errors import InputError
from clism_core.model.names import resolve_model
from clism_core.storage import exists, filesystem, join, read_bytes, upload_folder, write_bytes
from clism_core.tracking.plots import log_plots
from clism_core.tracking.registry import register_encoder
from clism_core.tracking.run import TrackedRun
from clism_core.training.card import metrics_table, model_card
from clism_core.training.checkpoints import MODEL_FOLDER
from clism_core.training.config import CHANGEABLE, PretrainConfig, check_config
from clism_core.training.stopping import run_stoppably, start_stop_request
from clism_core.training.worker import Assignment, Outcome, train_worker

logger = logging.getLogger(__name__)

CHECKPOINTS, RESULT_FILE = "checkpoints", "result.json"


@dataclass(frozen=True)
class Pretrained:
    """A run's outcome; `checkpoint` is the one that becomes the model."""

    outcome: Outcome
    checkpoint: Checkpoint
    samples: int
    language_pairs: list[str]


def pretrain(config: PretrainConfig, run: TrackedRun) -> Pretrained:
    """Train on the cluster that Ray is connected to, until the last step or a stop request.

    Args:
        config: what to train; `output` decides which run is resumed.
        run: where metrics go.

    Raises:
        InputError: for a configuration or data that cannot be used, before anything is started.
    """
    check_config(config)
    manifest = read_manifest(config.data)
    _check_resumed(config, manifest["fingerprint"])
    run.log_dataset(folder=config.data, fingerprint=manifest["fingerprint"], profile=manifest["pairs"])
    tokenizer = load_tokenizer(resolve_model(config.model))
    held_out = load_held_out(config.data, config.held_out)
    data = encode_training_data(config.data, config.held_out, tokenizer, min_samples=config.global_batch_size)
    logger.info("%d samples to train on, %d held out", len(data), len(held_out))
    order = SampleOrder(
        lengths=data.lengths,
        pair_codes=data.pair_codes,
        stages=make_stages(config.pairs_per_sample, config.loop.steps),
        global_batch_size=config.global_batch_size,
        window=config.length_window,
        sampling_alpha=config.sampling_alpha,
        seed=config.seed,
    )
    stop_request = start_stop_request()
    assignment = Assignment(
        config=config,
        data=ray.put(data),
        order=ray.put(order),
        held_out=ray.put(held_out),
        stop_request=stop_request,
        run=run,
    )
    result: Any = run_stoppably(_trainer(config, assignment).fit, stop_request)
    assert result.checkpoint is not None
    best = result.get_best_checkpoint("score", "max") if config.export == "best" else None
    return Pretrained(result.return_value, best or result.checkpoint, len(data), data.language_pairs)


@dataclass(frozen=True)
class Delivered:
    """A finished run: what was made and where it is."""

    model: str
    """The model folder."""
    registry_uri: str
    """The version in the registry, such as models:/clism-encoder/3; empty if it was not registered."""
    tracking_uri: str
    run_id: str
    step: int
    samples: int
    table: str
    """The last evaluation, as Markdown."""


def deliver(config: PretrainConfig, pretrained: Pretrained, run: TrackedRun) -> Delivered:
    """Write `OUTPUT/model`, log plots and model, register it, and note in `OUTPUT/result.json` that all is done."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) / MODEL_FOLDER
        export_model(config, pretrained, folder)
        log_plots(run)
        run.log_artifact(folder / "README.md")
        registered = register_encoder(run, folder, step=pretrained.outcome.step) if config.register else None
    delivered = Delivered(
        model=join(config.output, MODEL_FOLDER),
        registry_uri=registered.uri if registered else "",
        tracking_uri=run.tracking_uri,
        run_id=run.run_id,
        step=pretrained.outcome.step,
        samples=pretrained.samples,
        table=metrics_table(pretrained.outcome.metrics),
    )
    write_bytes(join(config.output, RESULT_FILE), json.dumps(dataclasses.asdict(delivered), indent=2).encode())
    return delivered


def delivered_before(output: str) -> Delivered | None:
    """Return what a finished run has left in `output`; None where there is no finished run."""
    file = join(output, RESULT_FILE)
    return Delivered(**json.loads(read_bytes(file))) if exists(file) else None


def _trainer(config: PretrainConfig, assignment: Assignment) -> TorchTrainer:
    file_system, path = filesystem(config.output)
    use_gpu = config.workers.use_gpu
    if use_gpu is None:
        use_gpu = ray.cluster_resources().get("GPU", 0) >= config.workers.number
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


def _check_resumed(config: PretrainConfig, fingerprint: str) -> None:
    """Keep what a run is, and compare with it when it is resumed.

    Raises:
        InputError: if the output folder holds a run of another configuration or of other data.
    """
    fixed = {name: value for name, value in dataclasses.asdict(config).items() if name not in CHANGEABLE}
    fixed["loop"] = {"steps": config.loop.steps}
    identity = json.loads(json.dumps({"config": fixed, "data": fingerprint}))
    file = join(config.output, "run.json")
    if not exists(file):
        write_bytes(file, json.dumps(identity, indent=2).encode())
        write_bytes(join(config.output, "config.yaml"), dump_config(config).encode())
        return
    before = json.loads(read_bytes(file))
    changed = [name for name in fixed if before["config"].get(name) != identity["config"][name]]
    if before["data"] != fingerprint:
        changed.append("data (its fingerprint)")
    if changed:
        raise InputError(
            f"--output {config.output}: holds a run with another {', '.join(changed)}; "
            "give it as it was to go on (see config.yaml there), or choose another folder"
        )


def dump_config(config: PretrainConfig) -> str:
    """Return the resolved configuration as YAML, which `--config` takes."""
    return yaml.safe_dump(json.loads(json.dumps(dataclasses.asdict(config))), sort_keys=False, allow_unicode=True)


def export_model(config: PretrainConfig, pretrained: Pretrained, folder: Path) -> None:
    """Write the final model into the local `folder` and copy it to `OUTPUT/model`.

    It holds the encoder and tokenizer as Hugging Face loads them, the two heads, the configuration and a model card.
    """
    folder.mkdir(parents=True, exist_ok=True)
    fs.copy_files(
        f"{pretrained.checkpoint.path}/{MODEL_FOLDER}",
        str(folder),
        source_filesystem=pretrained.checkpoint.filesystem,
        destination_filesystem=fs.LocalFileSystem(),
    )
    (folder / "config.yaml").write_text(dump_config(config))
    (folder / "README.md").write_text(
        model_card(
            config,
            metrics=pretrained.outcome.metrics,
            samples=pretrained.samples,
            language_pairs=pretrained.language_pairs,
        )
    )
    upload_folder(folder, join(config.output, MODEL_FOLDER))
