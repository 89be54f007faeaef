import os
import stat
from pathlib import Path
from typing import Any

import pytest
from ray._private import worker
from ray._private.authentication import authentication_token_setup

from clism_core.cluster.private_files import check_address_file, local_session_folder, warn_if_token_is_shared
from clism_core.cluster.ray_internals import private_token
from clism_core.utils.errors import InputError


@pytest.mark.parametrize(("mode", "warned"), [(0o600, False), (0o644, True), (0o620, True), (0o400, False)])
def test_shared_token(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, mode: int, warned: bool
) -> None:
    monkeypatch.setenv("RAY_AUTH_TOKEN_PATH", str(tmp_path / "token"))
    warn_if_token_is_shared()
    (tmp_path / "token").touch(mode)
    (tmp_path / "token").chmod(mode)
    warn_if_token_is_shared()
    assert (f"chmod 600 {tmp_path / 'token'}" in caplog.text) == warned


def test_a_new_token_is_private(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    before = os.umask(0o022)
    try:
        with private_token():
            authentication_token_setup.generate_and_save_token()
        (tmp_path / "other").touch()
    finally:
        os.umask(before)
    file = tmp_path / ".ray" / "auth_token"
    assert file.read_text()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "other").stat().st_mode) == 0o644


def test_local_sessions_are_below_a_private_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RAY_TMPDIR", raising=False)
    folder = tmp_path / f"clism-ray-{os.getuid()}"
    for _ in range(2):
        assert local_session_folder(str(tmp_path)) == str(folder / "ray")
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    monkeypatch.setenv("RAY_TMPDIR", "/elsewhere")
    assert local_session_folder(str(tmp_path)) is None


@pytest.mark.parametrize("kind", ["open", "link", "file"])
def test_folders_that_others_may_have_made_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    monkeypatch.delenv("RAY_TMPDIR", raising=False)
    folder = tmp_path / f"clism-ray-{os.getuid()}"
    if kind == "open":
        folder.mkdir()
        folder.chmod(0o755)
    elif kind == "link":
        (tmp_path / "other").mkdir(mode=0o700)
        folder.symlink_to(tmp_path / "other")
    else:
        folder.touch(mode=0o600)
    with pytest.raises(InputError, match=f"{folder}: not a folder for this user only; .*RAY_TMPDIR"):
        local_session_folder(str(tmp_path))


def test_cluster_of_another_user_is_not_joined_unasked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "ray_current_cluster"
    monkeypatch.delenv("RAY_ADDRESS")
    check_address_file(file)
    file.write_text("127.0.0.1:6379")
    check_address_file(file)
    if os.getuid() == 0:
        os.chown(file, 1234, 1234)
    else:
        monkeypatch.setattr(os, "getuid", lambda: 1234)
    with pytest.raises(InputError, match="another user has started; set RAY_ADDRESS"):
        check_address_file(file)
    monkeypatch.setenv("RAY_ADDRESS", "127.0.0.1:6379")
    check_address_file(file)


@pytest.mark.ray
def test_a_local_cluster_is_closed_to_other_users(ray_cluster: None) -> None:
    node: Any = worker._global_node
    session = Path(node.get_session_dir_path())
    assert session.is_dir()
    assert stat.S_IMODE(session.parents[1].stat().st_mode) == 0o700
