from pathlib import Path

import mlflow
import pytest

from clism_core.model.resolve import absolute_if_folder, model_digest, resolve_model
from clism_core.utils import storage
from clism_core.utils.errors import InputError
from clism_core.utils.home import tracking_uri


def test_folder_becomes_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "encoder").mkdir()
    (tmp_path / "encoder" / "config.json").write_text("{}")
    monkeypatch.chdir(tmp_path)
    assert resolve_model("encoder") == str(tmp_path / "encoder")


def test_hub_id_is_unchanged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cached = tmp_path / "models--org--tiny"
    (cached / "refs").mkdir(parents=True)
    (cached / "refs" / "main").write_text("0" * 40)
    (cached / "snapshots" / ("0" * 40)).mkdir(parents=True)
    (cached / "snapshots" / ("0" * 40) / "config.json").write_text("{}")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    assert resolve_model("org/tiny") == "org/tiny"


@pytest.mark.parametrize(
    ("name", "message"),
    [
        pytest.param("./no/such/folder", "no such folder", id="folder"),
        pytest.param("no-such-org/no-such-model", "no such folder", id="hub"),
        pytest.param("models:/clism-none@candidate", "registry", id="registered-model"),
        pytest.param("models:/clism-none/latest", "registry", id="registered-latest"),
        pytest.param("runs:/0123456789abcdef/model", "registry", id="run"),
        pytest.param("runs:/0123456789abcdef", "registry", id="run-without-a-path"),
        pytest.param("models:/m-0123456789abcdef0123456789abcdef", "registry", id="logged-model"),
        pytest.param("models:/clism-none/3", "registry", id="registered-version"),
        pytest.param("models:/clism-none/three", "registry", id="no-number"),
        pytest.param("models:/clism-none", "no version; give models:/NAME/3", id="no-version"),
        pytest.param("models:/clism-none/", "no version; give models:/NAME/3", id="empty-version"),
        pytest.param("models:/", "no version; give models:/NAME/3", id="no-name"),
        pytest.param("models:/clism-none@", "registry", id="empty-alias"),
    ],
)
def test_missing_model_is_an_input_error(home_folder: Path, name: str, message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        resolve_model(name)
    assert name in str(caught.value)


def test_latest_of_a_model_without_versions_is_an_input_error(home_folder: Path) -> None:
    mlflow.MlflowClient(tracking_uri()).create_registered_model("clism-empty")
    with pytest.raises(InputError, match="clism-empty has no versions in the registry"):
        resolve_model("models:/clism-empty/latest")


def test_digest_of_a_model_depends_on_its_weights_only(tmp_path: Path) -> None:
    def write(name: str, **files: bytes) -> str:
        (tmp_path / name).mkdir()
        for stem, content in files.items():
            (tmp_path / name / f"{stem}.safetensors").write_bytes(content)
        return str(tmp_path / name)

    digest = model_digest(write("a", model=b"1", span_head=b"2"))
    assert model_digest(write("b", model=b"1", span_head=b"2")) == digest
    others = [write("c", model=b"2", span_head=b"1"), write("d", model=b"1"), write("e", model=b"12", span_head=b"")]
    assert len({digest, *map(model_digest, others)}) == 4
    (tmp_path / "a" / "README.md").write_text("no weights")
    assert model_digest(str(tmp_path / "a")) == digest
    assert model_digest("xlm-roberta-base") == "xlm-roberta-base"


def test_folder_without_a_model(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no config\.json found"):
        resolve_model(str(tmp_path))


def test_model_in_a_bucket_is_downloaded_again_only_when_it_changes(
    bucket: str, home_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    storage.write_bytes(f"{bucket}/encoder/config.json", b"{}")
    first = resolve_model(f"{bucket}/encoder")
    assert Path(first, "config.json").read_bytes() == b"{}"
    with monkeypatch.context() as patch:
        patch.setattr(storage, "download_folder", lambda *_: pytest.fail("downloaded again"))
        assert resolve_model(f"{bucket}/encoder") == first
    storage.write_bytes(f"{bucket}/encoder/config.json", b'{"a": 1}')
    assert Path(resolve_model(f"{bucket}/encoder"), "config.json").read_bytes() == b'{"a": 1}'
    assert not list((home_folder / "models").glob("*.partial"))


def test_interrupted_download_is_repeated(bucket: str, home_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    storage.write_bytes(f"{bucket}/other/config.json", b"{}")

    def half(_path: str, folder: Path) -> None:
        (folder / "part").write_text("x")
        raise OSError("connection lost")

    with monkeypatch.context() as patch:
        patch.setattr(storage, "download_folder", half)
        with pytest.raises(InputError, match="cannot be downloaded: connection lost"):
            resolve_model(f"{bucket}/other")
    folder = Path(resolve_model(f"{bucket}/other"))
    assert [file.name for file in folder.iterdir()] == ["config.json"]


def test_only_folders_become_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "encoder").mkdir()
    names = ["encoder", "xlm-roberta-base", "models:/clism-encoder@candidate", "s3://bucket/encoder"]
    assert [absolute_if_folder(name) for name in names] == [str(tmp_path / "encoder"), *names[1:]]
