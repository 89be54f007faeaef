"""One writer for each output: a lock on this machine and on shared folders, a lease in an object store.

The lock also shows, before any work, whether the output can be written at all.
"""

import errno
import glob
import logging
import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path

from filelock import FileLock, Timeout

from clism_core.utils import storage
from clism_core.utils.errors import InputError
from clism_core.utils.holder import Holder
from clism_core.utils.object_lease import object_lease

LOCK = ".lock"
_NO_LOCKS = (errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP)
_LONGEST_ADDITION = 64
"""Bytes by which the names of files that are written beside an output file exceed its own name."""

logger = logging.getLogger(__name__)


def exclusive_folder(folder: str) -> AbstractContextManager[None]:
    """Hold the output folder `folder` in the block, against all other processes that do the same; it is created.

    What killed processes left half-written in it is deleted.

    Raises:
        InputError: at once, if another process holds it, naming that process, or if it cannot be written.
    """
    if not storage.is_local(folder):
        return object_lease(storage.join(folder, LOCK), output=folder)
    return _local(Path(storage.absolute(folder)), output=folder)


def exclusive_file(file: str) -> AbstractContextManager[None]:
    """Hold the output file `file` in the block, like `exclusive_folder`; its parent folder is created."""
    parent, _, name = storage.absolute(file).rpartition("/")
    if not storage.is_local(file):
        return object_lease(storage.join(parent, f".{name}{LOCK}"), output=file)
    return _local(Path(parent), output=file, name=name)


@contextmanager
def _local(folder: Path, *, output: str, name: str = "") -> Iterator[None]:
    path = folder / (f".{name}{LOCK}" if name else LOCK)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if name:
            _check_name(folder / name)
        # Released by the system if this process is killed; a file as a lock would be left, and block the next start.
        lock: AbstractContextManager[object] = FileLock(path, fallback_to_soft=False).acquire(timeout=0)
    except Timeout as error:
        raise InputError(f"--output {output}: {_read_holder(path)}; wait until it ends, or give another one") from error
    except OSError as error:
        if error.errno not in _NO_LOCKS:
            raise unwritable(output, error.strerror or str(error)) from error
        logger.warning("%s is not locked: its file system has no locks; run one job at a time for it", output)
        lock = nullcontext()
    with lock:
        try:
            path.write_bytes(Holder.of_this_process().to_json())
        except OSError as error:  # such as a full disk
            raise unwritable(output, error.strerror or str(error)) from error
        left = folder.glob(f".{glob.escape(name)}*") if name else folder.rglob(".*")
        if deleted := storage.delete_unfinished(left):
            logger.info("deleted %d unfinished files of a killed process in %s", deleted, folder)
        try:
            yield
        finally:
            path.unlink(missing_ok=True)  # before it is released: filelock does not take a lock on a deleted file


def unwritable(output: str, reason: str) -> InputError:
    """Return the error for an output that cannot be written."""
    return InputError(f"--output {output}: cannot be written: {reason}; give another one, or make it writable")


def _check_name(file: Path) -> None:
    limit = os.pathconf(file.parent, "PC_NAME_MAX") - _LONGEST_ADDITION
    if len(os.fsencode(file.name)) > limit:
        raise OSError(0, f"its name is too long, at most {limit} bytes are possible")
    if file.is_dir():
        raise OSError(0, "it is a folder")


def _read_holder(path: Path) -> str:
    try:
        return Holder.from_json(path.read_bytes()).describe()
    except (OSError, ValueError, TypeError):  # it has just been taken or released
        return "another process is writing it"
