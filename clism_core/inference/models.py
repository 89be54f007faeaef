"""Look-up of models before prediction, and checks that all nodes can access them."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from transformers import AutoModel

from clism_core.cluster.connect import check_shared
from clism_core.model.encoder import inspect_encoder, inspect_plain_encoder
from clism_core.model.pretrained import empty_model
from clism_core.model.resolve import absolute_if_folder, hub_commit, is_folder, is_tracked, pin_version, resolve_model
from clism_core.tasks.registry import read_task, task_of
from clism_core.tasks.saved_task import TaskConfig, has_task
from clism_core.utils.digests import tree_digest
from clism_core.utils.home import tracking_uri


@dataclass(frozen=True)
class EvaluatedModel:
    """An existing model."""

    name: str
    """Name by which every node of the cluster finds exactly this version."""
    task: TaskConfig | None
    """Options of its task; None for an encoder without a task."""
    fingerprint: str
    """Digest of the content of its files."""
    size: int
    """Size of its files in bytes, or of its weights in fp32 if the files are not downloaded yet."""


def find_model(name: str) -> EvaluatedModel:
    """Find a model: download it to this machine if necessary, and read and check its files.

    Weights of a hub id are downloaded and checked by the workers.

    Raises:
        InputError: if the model is not found, was saved by another version of this project, or lacks files, weights or
            its own tokenizer.
    """
    name = pin_version(absolute_if_folder(name))
    folder = resolve_model(name)
    task = read_task(folder) if has_task(folder) else None
    if not Path(folder).is_dir():  # a hub id
        size = sum(4 * weight.numel() for weight in empty_model(AutoModel, folder).parameters())
        return EvaluatedModel(name, task, hub_commit(folder), size)
    if task is None:
        inspect_plain_encoder(folder)
    else:
        task_of(task).model.load(folder, load_encoder=inspect_encoder)
    size = sum(path.stat().st_size for path in Path(folder).rglob("*") if path.is_file())
    return EvaluatedModel(name, task, tree_digest(folder), size)


def check_nodes(
    models: Iterable[str],
    *,
    inputs: Iterable[str] = (),
    output: str | None = None,
    workers: int | None,
    use_gpu: bool | None,
) -> None:
    """Check that all nodes of the cluster can access the models, inputs and output.

    Args:
        models: names of `EvaluatedModel`.
        inputs: files that the nodes read.
        output: folder that the nodes write to; None if only this process writes.
        workers, use_gpu: fields of the job's configuration.

    Raises:
        InputError: if anything is missing on a node, naming all of it.
    """
    names = list(models)
    check_shared(
        output=output,
        inputs=[*inputs, *filter(is_folder, names)],
        tracking=tracking_uri() if any(map(is_tracked, names)) else None,
        wanted={"GPU": workers or 1} if use_gpu else {},
    )
