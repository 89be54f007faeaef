"""The default preset of pretrain with a small demo, from no inputs to a registered model."""

import json
from pathlib import Path

import pretrain as job
import pytest
from transformers import AutoModel

from clism_core.command_line import CONFIGS, EXIT_DONE, run_job
from clism_core.demo import build
from clism_core.demo.build import DemoConfig
from clism_core.demo.corpus import DemoCorpusConfig
from clism_core.demo.encoder import RANDOM_WEIGHTS, DemoEncoderConfig
from clism_core.model.resolve import resolve_model
from clism_core.pretraining.config import PretrainConfig
from clism_core.utils.errors import InputError

pytestmark = [pytest.mark.ray, pytest.mark.slow]

SMALL = DemoConfig(
    corpus=DemoCorpusConfig(
        target_langs=["de", "hi"], pairs_per_language=120, questions_per_language=20, held_out_pairs_per_language=20
    ),
    encoder=DemoEncoderConfig(kind="random", vocab_size=1000, hidden_size=32, intermediate_size=64),
)
FEW_STEPS = [
    "--global_batch_size=8",
    "--loop.steps=4",
    "--loop.evaluate_every=4",
    "--loop.checkpoint_every=4",
    "--optimizer.warmup_steps=1",
]


@pytest.mark.parametrize("eflomal", [True, False], ids=["eflomal", "no-eflomal"])
def test_demo(
    ray_cluster: None,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
    eflomal: bool,
) -> None:
    if not eflomal:

        def missing() -> str:
            raise InputError("no eflomal")

        monkeypatch.setattr("clism_core.demo.build.find_program", missing)
    monkeypatch.setenv("CLISM_HOME", str(tmp_path))
    monkeypatch.setattr(build, "FOLDERS", {"demo": SMALL})
    arguments = [f"--config={CONFIGS / 'demo.yaml'}", *FEW_STEPS, f"--output={tmp_path / 'out'}"]
    assert run_job(PretrainConfig, job.main, description="", arguments=arguments) == EXIT_DONE
    assert ("words are aligned by embeddings" in caplog.text) == (not eflomal)
    manifest = json.loads((tmp_path / "demo" / "prepared" / "manifest.json").read_text())
    assert manifest["config"]["aligner"]["kind"] == ("eflomal" if eflomal else "embedding")
    assert manifest["pairs"].keys() == {"en-de", "en-hi"}
    enough = 100 if eflomal else 30  # the embeddings of so small an encoder align little
    assert all(counts["samples"] > enough for counts in manifest["pairs"].values())
    said = capsys.readouterr().out
    assert f"**{RANDOM_WEIGHTS}**\n\n|" in said
    assert "| en-de |" in said
    uri = next(word for word in said.split() if word.startswith("models:/clism-encoder/"))
    assert AutoModel.from_pretrained(resolve_model(uri)).config.hidden_size == 32
