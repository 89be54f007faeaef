"""Choice of the checkpoint from which all workers resume."""

import logging
import shutil
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

from clism_core.cluster.collectives import gather_objects, rank
from clism_core.training.checkpoint_store import CheckpointStore, DamagedCheckpointError, read_manifest
from clism_core.training.checkpoints import state_problem
from clism_core.utils import storage
from clism_core.utils.errors import InputError

logger = logging.getLogger(__name__)


@contextmanager
def latest_checkpoint(store: CheckpointStore, *, node_rank: int, local_rank: int) -> Iterator[Path | None]:
    """Yield a local folder with the latest undamaged checkpoint (a collective); None if the run has no checkpoint.

    One worker per node downloads and verifies it. Damaged checkpoints are named in warnings and, if an earlier one is
    undamaged, deleted. Those with all the files that were written are kept: a single node reads them wrongly, or the
    training state was unusable when it was written. What interrupted runs have left behind is deleted, too.

    Args:
        store: checkpoints of the run.
        node_rank: number of this worker's node.
        local_rank: number of this worker on its node.

    Raises:
        InputError: if all checkpoints are damaged; on all workers.
    """
    if local_rank == 0:
        store.delete_temporary_folders()
    if rank() == 0:
        store.delete_unfinished()
    folders = gather_objects(store.complete() if rank() == 0 else [])[0]
    with ExitStack() as downloads:
        yield _first_undamaged(store, folders, downloads, node_rank=node_rank, local_rank=local_rank)
        gather_objects(None)  # before the download is deleted, all workers of the node have read it


def _first_undamaged(
    store: CheckpointStore, folders: list[str], downloads: ExitStack, *, node_rank: int, local_rank: int
) -> Path | None:
    damaged: dict[str, str] = {}
    for folder in folders:
        own = (node_rank, *_fetch(store, folder, downloads)) if local_rank == 0 else None
        fetched = [entry for entry in gather_objects(own) if entry is not None]
        problems = sorted({problem for _, _, problem in fetched if problem})
        if not problems:
            if rank() == 0:
                _delete_damaged(store, damaged, resumed=folder)
            return next(local for node, local, _ in fetched if node == node_rank)
        damaged[folder] = "; ".join(problems)
    if damaged:
        listed = "; ".join(f"{folder}: {problem}" for folder, problem in damaged.items())
        raise InputError(
            f"all checkpoints of the run are damaged ({listed}); restore one from a copy, or delete {store.root} to "
            "train from the beginning"
        )
    return None


def _fetch(store: CheckpointStore, folder: str, downloads: ExitStack) -> tuple[Path, str]:
    """Return a local folder with the content of a checkpoint, and what is damaged in it, as a message."""
    if storage.is_local(folder):
        local = Path(storage.absolute(folder))
    else:
        local = store.temporary_folder()
        downloads.callback(shutil.rmtree, local, ignore_errors=True)
        storage.download_folder(folder, local)
    try:
        read_manifest(folder, str(local)).verify(str(local))
    except DamagedCheckpointError as error:
        return local, str(error)
    return local, state_problem(local)


def _delete_damaged(store: CheckpointStore, damaged: Mapping[str, str], *, resumed: str) -> None:
    for folder, problem in damaged.items():
        try:
            read_manifest(folder, folder).verify(folder)
        except DamagedCheckpointError:
            logger.warning("%s is damaged, and is deleted: %s; resuming from %s", folder, problem, resumed)
            store.delete(folder)
        else:
            logger.warning("%s has all its files, but cannot be used: %s; resuming from %s", folder, problem, resumed)
