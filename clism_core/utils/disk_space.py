"""Errors of full disks, which every library reports in its own way."""

import errno
import re
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path

from clism_core.utils.errors import FailureError, causes

_FULL = {errno.ENOSPC, errno.EDQUOT}
_TEXT = re.compile(
    r"no space left on device|disk quota exceeded|\[errno (?:28|122)\]|database or disk is full|local disk is full"
    r"|inline_container\.cc:\d+\] \. unexpected pos|PytorchStreamWriter failed writing",  # of torch.save
    re.IGNORECASE,
)


def full_disk(error: BaseException, folders: Iterable[str]) -> FailureError | None:
    """Return the failure to report if `error` was caused by a full disk, also in a worker; None otherwise.

    Args:
        error: any error.
        folders: local folders to which the job writes; the message gives the space that is left on their disks.
    """
    found = next((each for each in causes(error) if _is_full(each)), None)
    if found is None:
        return None
    file = getattr(found, "filename", None)
    place = f" for {file}" if isinstance(file, str) else ""
    left = ", ".join(f"{shutil.disk_usage(folder).free / 2**20:,.0f} MiB at {folder}" for folder in _existing(folders))
    return FailureError(
        f"no space is left on the disk{place} (now free on this machine: {left}); make room, and the same command "
        "resumes"
    )


def _is_full(error: BaseException) -> bool:
    return (isinstance(error, OSError) and error.errno in _FULL) or _TEXT.search(str(error)) is not None


def _existing(folders: Iterable[str]) -> Iterator[str]:
    """Yield each folder, or the first one above it that exists, once."""
    for folder in dict.fromkeys(folders):
        path = Path(folder)
        yield str(next(each for each in (path, *path.parents) if each.is_dir()))
