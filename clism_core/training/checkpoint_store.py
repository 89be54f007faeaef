"""Checkpoints of a run in its output folder, which alone decide what is resumed and exported.

`checkpoint.json` is written after all other files of a checkpoint, with their sizes and digests. A folder without it is
an unfinished upload. Ray Train's own record of the checkpoints is not used: it may be lost, or older than the folder.
"""

import importlib.metadata
import logging
import math
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pyarrow import fs

from clism_core.utils import storage
from clism_core.utils.digests import content_digest, text_digest
from clism_core.utils.errors import InputError

logger = logging.getLogger(__name__)

CHECKPOINTS = "checkpoints"
"""Folder of the checkpoints in a run's output folder."""
MANIFEST = "checkpoint.json"
FORMAT = 1
"""Number of the format of checkpoints that this version writes, and the only one that it reads."""
KEPT = 2
"""Number of the latest checkpoints that are kept, besides the best one."""
_PREFIX, _READERS = "step-", 8


class DamagedCheckpointError(Exception):
    """Checkpoint whose files are not those that were written; the message names the files."""


@dataclass(frozen=True)
class SavedCheckpoint:
    """Complete checkpoint; its files may have been damaged since."""

    path: str
    step: int
    metrics: Mapping[str, float]
    """Metrics at this step; those of the evaluation if there was one."""
    files: Mapping[str, Mapping[str, Any]]
    """`size` in bytes and `sha256` in hex of each file, by its path in the folder."""

    @property
    def score(self) -> float:
        """Score by which checkpoints are compared; minus infinity without an evaluation."""
        score = self.metrics.get("score", math.nan)
        return -math.inf if math.isnan(score) else score

    def verify(self, folder: str, *, below: str = "") -> None:
        """Compare the files in `folder`, the checkpoint or a copy of it, with their sizes and digests.

        Args:
            folder: folder to verify.
            below: folder in the checkpoint to which the verification is limited.

        Raises:
            DamagedCheckpointError: if files are missing or differ.
        """
        names = [name for name in self.files if name.startswith(below)]
        with ThreadPoolExecutor(_READERS) as readers:
            problems = list(readers.map(lambda name: self._problem(folder, name), names))
        if any(problems):
            raise DamagedCheckpointError(", ".join(filter(None, problems)))

    def _problem(self, folder: str, name: str) -> str:
        store, inner = storage.filesystem(storage.join(folder, name))
        info, expected = store.get_file_info(inner), self.files[name]
        if not info.is_file:
            return f"{name} is missing"
        if info.size != expected["size"]:
            return f"{name} has {info.size} bytes instead of {expected['size']}"
        if content_digest(storage.join(folder, name)) != expected["sha256"]:
            return f"{name} has other content than was written"
        return ""


def read_manifest(path: str, folder: str) -> SavedCheckpoint:
    """Return the checkpoint at `path` as described by `checkpoint.json` in `folder`, a copy of it or itself.

    Raises:
        DamagedCheckpointError: if the file is not readable.
        InputError: if the format is of another version.
    """
    try:
        manifest = storage.read_json(storage.join(folder, MANIFEST))
        found = SavedCheckpoint(path, int(manifest["step"]), dict(manifest["metrics"]), dict(manifest["files"]))
        number, version = manifest["format"], manifest["version"]
    except (FileNotFoundError, ValueError, KeyError, TypeError) as error:
        raise DamagedCheckpointError(f"{MANIFEST} is missing or damaged ({type(error).__name__})") from error
    if number != FORMAT:
        raise InputError(
            f"{path}: checkpoint of format {number}, written by version {version}; this version reads format {FORMAT}: "
            "resume the run with the version that wrote it"
        )
    return found


class CheckpointStore:
    """The checkpoints of one run.

    Args:
        output: output folder of the run.
    """

    def __init__(self, output: str):
        self.root = storage.join(output, CHECKPOINTS)
        self._temporary_prefix = f"clism-checkpoint-{text_digest(storage.absolute(output))}-"

    def path(self, step: int) -> str:
        """Return the folder of the checkpoint of `step`."""
        return storage.join(self.root, folder_name(step))

    def complete(self) -> list[str]:
        """Return the folders of the complete checkpoints, the latest first."""
        return [folder for folder in self._folders() if storage.exists(storage.join(folder, MANIFEST))]

    def saved(self) -> Iterator[SavedCheckpoint]:
        """Yield the complete checkpoints whose `checkpoint.json` is undamaged, the latest first."""
        for folder in self.complete():
            try:
                yield read_manifest(folder, folder)
            except DamagedCheckpointError as error:
                logger.warning("%s is damaged, and is ignored: %s", folder, error)

    def best(self) -> list[SavedCheckpoint]:
        """Return the checkpoints of evaluated steps, the best first and, of equal ones, the latest."""
        evaluated = [saved for saved in self.saved() if saved.score > -math.inf]
        return sorted(evaluated, key=lambda saved: (saved.score, saved.step), reverse=True)

    def upload(self, local: Path, step: int, metrics: Mapping[str, float]) -> str:
        """Save the files in the folder `local` as the checkpoint of `step`, and delete those no longer kept.

        Returns:
            the folder of the checkpoint.
        """
        folder = self.path(step)
        self.delete(folder)  # one that was damaged or uploaded in part
        files = {path.relative_to(local).as_posix(): path for path in sorted(local.rglob("*")) if path.is_file()}
        with ThreadPoolExecutor(_READERS) as readers:
            digests = list(readers.map(lambda path: content_digest(str(path)), files.values()))
        storage.upload_folder(local, folder)
        manifest = {
            "format": FORMAT,
            "version": next((found.version for found in importlib.metadata.distributions(name="clism")), None),
            "step": step,
            "metrics": dict(metrics),
            "files": {
                name: {"size": path.stat().st_size, "sha256": digest}
                for (name, path), digest in zip(files.items(), digests, strict=True)
            },
        }
        storage.write_json(storage.join(folder, MANIFEST), manifest)
        self._delete_others()
        return folder

    def _delete_others(self) -> None:
        complete = self.complete()
        kept = {*complete[:KEPT], *(saved.path for saved in self.best()[:1])}
        for folder in complete:
            if folder not in kept:
                self.delete(folder)

    def delete(self, folder: str) -> None:
        """Delete a checkpoint; one that is deleted in part is an unfinished one."""
        storage.delete(storage.join(folder, MANIFEST))
        storage.delete(folder)

    def delete_unfinished(self) -> None:
        """Delete what uploads that were interrupted have left behind."""
        for folder in set(self._folders()) - set(self.complete()):
            logger.warning("deleting %s: its upload was interrupted", folder)
            storage.delete(folder)

    def check_version(self, *, ray_snapshot: str) -> None:
        """Raise `InputError` if all checkpoints lack `checkpoint.json` although Ray Train has recorded some.

        Earlier versions did not write it. Unfinished uploads are not recorded.
        """
        if self._folders() and not self.complete() and storage.exists(storage.join(self.root, ray_snapshot)):
            raise InputError(
                f"{self.root}: the checkpoints have no {MANIFEST}: they were written by a version before checksums, or "
                "the files were lost; resume the run with the version that wrote it, or give another --output"
            )

    def temporary_folder(self) -> Path:
        """Create a folder in this node's temporary directory; the caller deletes it."""
        return Path(tempfile.mkdtemp(prefix=self._temporary_prefix))

    def delete_temporary_folders(self) -> None:
        """Delete the temporary folders that killed workers of this run have left on this node."""
        for folder in Path(tempfile.gettempdir()).glob(f"{self._temporary_prefix}*"):
            shutil.rmtree(folder, ignore_errors=True)

    def _folders(self) -> list[str]:
        """Return the folders of all checkpoints, unfinished ones included, the latest first."""
        store, inner = storage.filesystem(self.root)
        infos = store.get_file_info(fs.FileSelector(inner, allow_not_found=True))
        names = [info.base_name for info in infos if info.type == fs.FileType.Directory]
        return [storage.join(self.root, name) for name in sorted(names, reverse=True) if name.startswith(_PREFIX)]


def folder_name(step: int) -> str:
    """Return the name of the folder of a step's checkpoint; the names sort like the steps."""
    return f"{_PREFIX}{step:08d}"
