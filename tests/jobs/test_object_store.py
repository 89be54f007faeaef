"""Prepare and pretrain with everything in a bucket: corpus, encoder, prepared data, checkpoints and model."""

import base64
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import prepare
import pretrain
import pytest
import spacy
from mlflow import MlflowClient
from mlflow_server import Server
from tiny import write_encoder

from clism_core.tracking.lifecycle import EXPERIMENT
from clism_core.utils import storage

pytestmark = [pytest.mark.ray, pytest.mark.slow]

SECRET = "OPEN-SESAME"
SECRET_VARIABLES = ("AWS_SECRET_ACCESS_KEY", "MLFLOW_TRACKING_PASSWORD", "HF_TOKEN")
NAMES = ["Anna", "Rome", "Tim", "Bonn"]


def run(job: str, *arguments: str) -> str:
    """Run a job in its own process, whose Ray workers inherit the bucket's address from its environment."""
    done = subprocess.run([sys.executable, job, *arguments], capture_output=True, text=True, timeout=400, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.fixture
def ray_folder(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Give Ray a folder of its own for logs, with a short name."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        monkeypatch.setenv("RAY_TMPDIR", folder)
        yield Path(folder)


def basic_authorization(user: str, password: str) -> str:
    """Return the header of HTTP's basic authentication, in which the password is encoded but not encrypted."""
    return f"Basic {base64.b64encode(f'{user}:{password}'.encode()).decode()}"


def test_jobs_live_on_an_object_store(
    bucket: str, server: Server, ray_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Everything is in the bucket, and nothing that was written or said contains the secrets of the environment."""
    secrets = {name: f"{SECRET}-{number}" for number, name in enumerate(SECRET_VARIABLES)}
    for name, value in {"MLFLOW_TRACKING_USERNAME": "ada", **secrets}.items():
        monkeypatch.setenv(name, value)
    server.authorization = basic_authorization("ada", secrets["MLFLOW_TRACKING_PASSWORD"])
    monkeypatch.setenv("CLISM_TRACKING_TIMEOUT", "60")
    monkeypatch.delenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES")
    nlp = spacy.blank("en")
    nlp.add_pipe("entity_ruler").add_patterns([{"label": "NAME", "pattern": name} for name in NAMES])  # type: ignore[attr-defined]
    nlp.to_disk(tmp_path / "pipeline")
    lines = [f"{NAMES[n % 4]} saw {n} ships\t{n} Schiffe sah {NAMES[n % 4]}\n" for n in range(40)]
    storage.write_bytes(f"{bucket}/corpus/de.tsv", "".join(lines).encode())
    storage.write_bytes(f"{bucket}/corpus/de.links", b"0-3 1-2 2-0 3-1\n" * 40)
    corpus = {"path": f"{bucket}/corpus/de.tsv", "alignment_path": f"{bucket}/corpus/de.links"}
    languages = {"source_lang": "en", "target_lang": "de"}
    prepared, output = f"{bucket}/prepared", f"{bucket}/run"
    said = run(
        prepare.__file__,
        *("--corpora", json.dumps([corpus | languages]), "--output", prepared, "--aligner.kind", "pharaoh"),
        *("--entities.pipeline", str(tmp_path / "pipeline")),
    )
    manifest = json.loads(storage.read_bytes(f"{prepared}/manifest.json"))
    assert manifest["samples"] == 40

    storage.upload_folder(write_encoder("xlmr", tmp_path / "encoder"), f"{bucket}/encoder")
    steps = ["--loop.steps=4", "--loop.checkpoint_every=2", "--loop.evaluate_every=4", "--optimizer.warmup_steps=1"]
    said += run(
        pretrain.__file__,
        *("--data", prepared, "--output", output, "--model", f"{bucket}/encoder", "--workers.number=2"),
        *("--global_batch_size=8", "--masking.max_length=64", "--held_out.fraction=0.2", *steps),
    )
    assert f"{output}/model" in said
    files = {file.removeprefix(f"{output}/") for file in storage.list_files(output)}
    assert {"model/model.safetensors", "model/span_head.safetensors", "config.yaml", "result.json"} <= files
    assert any(file.startswith("checkpoints/step-00000004/") for file in files)
    assert len([path for path in (tmp_path / "home" / "models").iterdir() if path.is_dir()]) == 1  # the encoder, once

    client = MlflowClient(server.uri)
    experiment = client.get_experiment_by_name(EXPERIMENT)
    assert experiment is not None
    assert {each.info.status for each in client.search_runs([experiment.experiment_id])} == {"FINISHED"}

    forms = [SECRET, server.authorization.removeprefix("Basic ")]
    assert [form for form in forms if form in said] == []
    assert list(ray_folder.rglob("logs/raylet.*"))
    assert (tmp_path / "server" / "mlflow.db").exists()
    written = [file for folder in (tmp_path, ray_folder) for file in folder.rglob("*") if file.is_file()]
    assert [file for file in written if contains(file.read_bytes(), forms)] == []
    assert [file for file in storage.list_files(bucket) if contains(storage.read_bytes(file), forms)] == []


def contains(content: bytes, texts: Sequence[str]) -> bool:
    return any(text.encode() in content for text in texts)
