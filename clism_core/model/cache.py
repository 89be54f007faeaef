"""Cache of downloaded models in the home folder, limited to a share of its disk."""

import logging
import os
import shutil
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from filelock import FileLock, Timeout

from clism_core.utils.digests import text_digest
from clism_core.utils.home import home

logger = logging.getLogger(__name__)

DISK_SHARE = 0.25
"""Maximum share of the home folder's disk. Studies evaluate hundreds of models of a gigabyte or more each."""
IN_USE = 3600.0
"""Seconds after its last use during which a model is not deleted, because it may be about to be loaded."""


def cached(key: str, download: Callable[[Path], object], *, is_intact: Callable[[Path], bool] = Path.is_dir) -> Path:
    """Return the folder that `download` has filled for `key`; it is called once per machine, under a lock.

    If models exceed their share of the disk, the least recently used ones are deleted.

    Args:
        key: what the folder contains.
        download: fills the folder.
        is_intact: returns whether a folder filled earlier is unchanged; if not, it is deleted and filled again.
    """
    folder = home() / "models" / text_digest(key)
    folder.parent.mkdir(exist_ok=True)
    with _lock(folder):
        partial = folder.with_suffix(".partial")
        if folder.is_dir() and not is_intact(folder):
            logger.warning("the downloaded model in %s has changed; it is downloaded again", folder)
            shutil.rmtree(partial, ignore_errors=True)
            folder.rename(partial)
        if not folder.is_dir():
            _make_room(folder.parent)
            shutil.rmtree(partial, ignore_errors=True)
            partial.mkdir()
            download(partial)
            partial.rename(folder)
        os.utime(folder)  # records the time of last use
    return folder


def _lock(folder: Path, *, timeout: float = -1) -> FileLock:
    return FileLock(folder.with_suffix(".lock"), timeout=timeout)


def _make_room(models: Path) -> None:
    """Delete the least recently used models until the others do not exceed their share of the disk."""
    with _lock(models / "room"):
        for partial in models.glob("*.partial"):
            with suppress(Timeout), _lock(partial, timeout=0):  # left behind by a killed process
                shutil.rmtree(partial)
        by_last_use = sorted((path.stat().st_mtime, path) for path in models.iterdir() if _is_complete(path))
        sizes = {model: _size(model) for _, model in by_last_use}
        limit = DISK_SHARE * shutil.disk_usage(models).total
        for last_use, model in by_last_use:
            if sum(sizes.values()) <= limit or time.time() - last_use < IN_USE:
                return
            try:
                with _lock(model, timeout=0):
                    partial = model.rename(model.with_suffix(".partial"))  # so that no complete folder lacks files
                    shutil.rmtree(partial)
            except Timeout:  # in use by another process
                continue
            logger.info("deleted the least recently used downloaded model, %.1f GB", sizes.pop(model) / 1e9)


def _is_complete(path: Path) -> bool:
    return path.is_dir() and not path.suffix


def _size(model: Path) -> int:
    return sum(file.stat().st_size for file in model.rglob("*") if file.is_file())
