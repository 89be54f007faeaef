"""Files of Ray that other users of the machine must not read: the token, and the folder of logs and sockets."""

import logging
import os
import stat
from contextlib import suppress
from pathlib import Path

from clism_core.utils.errors import InputError

logger = logging.getLogger(__name__)

_SHARED = stat.S_IRWXG | stat.S_IRWXO


def warn_if_token_is_shared() -> None:
    """Log a warning if users other than this one can read or change the token, and so run code on the cluster."""
    file = Path(os.environ.get("RAY_AUTH_TOKEN_PATH") or "~/.ray/auth_token").expanduser()
    if file.exists() and file.stat().st_mode & _SHARED:
        logger.warning("other users of this machine may run code on Ray clusters by %s: chmod 600 %s", file, file)


def check_address_file(file: Path) -> None:
    """Check who has left the address of a running cluster in `file`: all users can write to its folder.

    Raises:
        InputError: if it is another user, other than root, to whose cluster this process would give code and token.
    """
    if "RAY_ADDRESS" not in os.environ and file.exists() and file.stat().st_uid not in (os.getuid(), 0):
        raise InputError(
            f"{file}: names a Ray cluster that another user has started; set RAY_ADDRESS to its address to use it, or "
            "to local to run without it"
        )


def local_session_folder(base: str = "/tmp") -> str | None:
    """Return the folder below `base` for the logs and sockets of a local cluster; None if `RAY_TMPDIR` sets another.

    Ray gives all users write access to its folders, so that theirs must be one that only this user can enter.

    Raises:
        InputError: if another user has made that folder, or it is open to others.
    """
    if "RAY_TMPDIR" in os.environ:
        return None
    folder = Path(base) / f"clism-ray-{os.getuid()}"  # a short path: those of sockets have at most 107 bytes
    with suppress(FileExistsError):
        folder.mkdir(mode=0o700)
    state = folder.lstat()
    if not stat.S_ISDIR(state.st_mode) or state.st_uid != os.getuid() or state.st_mode & _SHARED:
        raise InputError(f"{folder}: not a folder for this user only; remove it, or set RAY_TMPDIR to one that is")
    return str(folder / "ray")
