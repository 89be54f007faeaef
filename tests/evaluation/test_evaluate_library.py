"""From a plan to the files of an evaluation, with predictions made up in place of a model's, and no cluster."""

import dataclasses
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Literal

import pytest
from labelled import write_squad
from mlflow import MlflowClient
from safetensors.torch import load_file
from tiny import write_encoder

from clism_core.evaluation import evaluate as module
from clism_core.evaluation.bootstrap import compare
from clism_core.evaluation.config import EvaluateConfig
from clism_core.evaluation.evaluate import Evaluation, evaluate, plan
from clism_core.evaluation.predictions import Predictions
from clism_core.evaluation.tracking import tag_version
from clism_core.inference.models import EvaluatedModel, find_model
from clism_core.tasks import test_data as test_set
from clism_core.tasks.mrc.config import MrcConfig
from clism_core.tasks.mrc.model import MrcModel
from clism_core.tasks.ner.config import NerConfig
from clism_core.tasks.ner.model import NerModel
from clism_core.tasks.test_data import TestSetConfig
from clism_core.tracking.lifecycle import start_run
from clism_core.utils import storage
from clism_core.utils.errors import InputError

PLACES = ["Paris", "Berlin", "Rome", "Bonn"]  # the right answers, in turn


class FakePredictions:
    """Answers questions right by `answers`, in the place of `predict`; keeps what it was asked for."""

    def __init__(self) -> None:
        self.answers: dict[str, list[str]] = {}
        self.asked: list[str] = []
        self.fails_at: str | None = None

    def __call__(
        self, model: EvaluatedModel, test_sets: Sequence[test_set.TestSet], **_: Any
    ) -> Iterator[tuple[test_set.TestSet, list[Any]]]:
        for each in test_sets:
            if test_set.title(each) == self.fails_at:
                raise InputError("a node was lost")
            self.asked.append(f"{Path(model.name).name}: {test_set.title(each)}")
            answers = self.answers[Path(model.name).name]
            yield each, [answers[number % len(answers)] for number in range(len(each.records()))]


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> FakePredictions:
    predictions = FakePredictions()
    predictions.answers = {"good": PLACES, "bad": ["Paris", "x", "x", "x"]}
    monkeypatch.setattr(module, "predict", predictions)
    return predictions


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(write_encoder("xlmr", tmp_path_factory.mktemp("xlmr")))


def write_model(folder: Path, encoder: str, *, task: Literal["mrc", "ner"] = "mrc") -> Path:
    """Write a task model whose files differ from those of other folders."""
    folder.mkdir()
    model = (
        MrcModel.begin(encoder, MrcConfig(), seed=0) if task == "mrc" else NerModel.begin(encoder, NerConfig(), seed=0)
    )
    model.save(folder)
    (folder / "README.md").write_text(folder.name)
    return folder


@pytest.fixture
def config(tmp_path: Path, encoder: str) -> EvaluateConfig:
    write_model(tmp_path / "good", encoder)
    write_model(tmp_path / "bad", encoder)
    write_squad(tmp_path / "births.ar.json")
    write_squad(tmp_path / "births.de.json", questions=8)
    return EvaluateConfig(
        model=str(tmp_path / "good"),
        tests=[TestSetConfig("births", str(tmp_path / "*.json"))],
        output=str(tmp_path / "out"),
        resamples=199,
    )


def run(config: EvaluateConfig, **changes: Any) -> Evaluation:
    for name, value in changes.items():
        setattr(config, name, value)
    return evaluate(config, start_run(job="evaluate", output=config.output))


def files(folder: str) -> list[str]:
    return [str(Path(path).relative_to(folder)) for path in storage.list_files(folder)]


def test_files_of_an_evaluation(config: EvaluateConfig, fake: FakePredictions) -> None:
    evaluation = run(config)
    assert files(config.output) == [
        "evaluation.json",
        "metrics.json",
        "predictions/births/ar.json",
        "predictions/births/de.json",
        "scores.png",
        "table.csv",
        "table.md",
    ]
    output = Path(config.output)
    assert json.loads((output / "metrics.json").read_text()) == evaluation.metrics
    assert (output / "table.md").read_text() == evaluation.table
    assert json.loads((output / "predictions/births/de.json").read_text()) == {
        f"q{number}": PLACES[number % 4] for number in range(8)
    }
    figures = evaluation.metrics["births"]
    assert {name: (each["exact_match"], each["f1"], each["n"]) for name, each in figures.items()} == {
        "ar": (100.0, 100.0, 12),
        "de": (100.0, 100.0, 8),
        "average": (100.0, 100.0, 20),
    }
    assert evaluation.examples["births"]["ar"]["f1"].value == 100.0
    assert evaluation.compared_examples is None


def test_an_evaluation_is_logged_to_mlflow(config: EvaluateConfig, fake: FakePredictions) -> None:
    tracked = start_run(job="evaluate", output=config.output)
    evaluate(config, tracked)
    data = tracked.client.get_run(tracked.run_id).data
    assert data.metrics["test/births/ar/f1"] == 100.0
    assert data.metrics["test/births/average/exact_match_low"] == 100.0
    assert data.tags["clism.model"] == config.model
    artefacts = {entry.path for entry in tracked.client.list_artifacts(tracked.run_id)}
    assert artefacts == {"metrics.json", "table.md", "table.csv", "scores.png", "predictions"}
    assert [entry.path for entry in tracked.client.list_artifacts(tracked.run_id, "predictions/births")] == [
        "predictions/births/ar.json",
        "predictions/births/de.json",
    ]


def test_finished_predictions_are_kept(config: EvaluateConfig, fake: FakePredictions) -> None:
    fake.fails_at = "births/de"
    with pytest.raises(InputError, match="a node was lost"):
        run(config)
    fake.fails_at = None
    run(config)
    run(config)
    assert fake.asked == ["good: births/ar", "good: births/de"]


def test_a_changed_file_is_predicted_again(config: EvaluateConfig, fake: FakePredictions, tmp_path: Path) -> None:
    run(config)
    write_squad(tmp_path / "births.de.json", questions=9)
    assert run(config).metrics["births"]["de"]["n"] == 9
    assert fake.asked == ["good: births/ar", "good: births/de", "good: births/de"]


def test_another_model_replaces_the_predictions_with_a_warning(
    config: EvaluateConfig,
    fake: FakePredictions,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    run(config)
    config.tests[0].path = str(tmp_path / "births.ar.json")
    evaluation = run(config, model=str(tmp_path / "bad"))
    assert evaluation.metrics["births"]["ar"]["f1"] == 25.0
    assert "contains predictions of another model" in caplog.text
    assert not Path(config.output, "predictions/births/de.json").exists()  # the other model's
    fingerprint = find_model(str(tmp_path / "bad")).fingerprint
    (tmp_path / "bad" / "weights").write_text("more")
    assert find_model(str(tmp_path / "bad")).fingerprint != fingerprint


def test_size_and_commit_of_a_hub_model_are_known_without_its_weights(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    encoder = write_encoder("bert", tmp_path / "commit")
    weights = load_file(encoder / "model.safetensors")
    (encoder / "model.safetensors").unlink()
    monkeypatch.setattr("clism_core.inference.models.Path.is_dir", lambda path: path != encoder)  # as a hub id
    found = find_model(str(encoder))
    assert found.size == sum(4 * weight.numel() for weight in weights.values())
    assert found.fingerprint == "commit"


def test_another_scorer_scores_the_same_predictions(config: EvaluateConfig, fake: FakePredictions) -> None:
    run(config)
    config.tests[0].scorer = "mlqa-1.0"
    assert run(config).metrics["births"]["ar"]["scorer"] == "mlqa-1.0"
    assert fake.asked == ["good: births/ar", "good: births/de"]


def test_results_of_another_model_are_deleted(config: EvaluateConfig, fake: FakePredictions, tmp_path: Path) -> None:
    run(config)
    fake.fails_at = "births/de"
    with pytest.raises(InputError, match="a node was lost"):
        run(config, model=str(tmp_path / "bad"))
    assert files(config.output) == ["evaluation.json", "predictions/births/ar.json"]


def test_a_concurrent_evaluation_of_another_model_is_rejected(
    config: EvaluateConfig, fake: FakePredictions, tmp_path: Path
) -> None:
    first, second = plan(config), plan(dataclasses.replace(config, model=str(tmp_path / "bad")))
    mine = Predictions.of_model(config.output, first.model)
    mine.write(first.test_sets[0], "{}")
    Predictions.of_model(config.output, second.model).write(second.test_sets[0], "{}")
    with pytest.raises(InputError, match="a concurrent evaluation has replaced the predictions"):
        mine.read(first.test_sets[0])
    with pytest.raises(InputError, match="a concurrent evaluation has replaced the predictions"):
        mine.write(first.test_sets[1], "{}")


def test_concurrent_evaluations_of_the_same_model_share_predictions(config: EvaluateConfig) -> None:
    planned = plan(config)
    one, two = (Predictions.of_model(config.output, planned.model) for _ in range(2))
    one.write(planned.test_sets[0], "{}")
    two.write(planned.test_sets[1], "{}")
    again = Predictions.of_model(config.output, planned.model)
    assert all(map(again.has, planned.test_sets))


def test_comparison_of_two_models(config: EvaluateConfig, fake: FakePredictions, tmp_path: Path) -> None:
    evaluation = run(config, compare=str(tmp_path / "bad"))
    comparison = evaluation.metrics["comparison"]
    assert comparison["with"] == str(tmp_path / "bad")
    assert comparison["metrics"]["births"]["average"]["f1"] == 25.0
    assert comparison["differences"]["births"]["average"]["f1"]["difference"] == 75.0
    assert "is better than" in comparison["conclusions"]["births"]
    assert comparison["conclusions"]["births"] in evaluation.table
    assert json.loads(Path(config.output, "compared/predictions/births/ar.json").read_text())["q1"] == "x"
    assert evaluation.compared_examples is not None
    new, old = evaluation.examples["births"]["ar"]["f1"], evaluation.compared_examples["births"]["ar"]["f1"]
    assert compare([new], [old], resamples=199).difference == 75.0


def test_comparison_with_an_earlier_evaluation(config: EvaluateConfig, fake: FakePredictions, tmp_path: Path) -> None:
    run(config, model=str(tmp_path / "bad"), output=str(tmp_path / "earlier"))
    changes = {"model": str(tmp_path / "good"), "output": str(tmp_path / "out"), "compare": str(tmp_path / "earlier")}
    evaluation = run(config, **changes)
    assert len(fake.asked) == 4  # both models once, on two test sets
    assert evaluation.metrics["comparison"]["with"] == str(tmp_path / "bad")
    assert evaluation.metrics["comparison"]["differences"]["births"]["de"]["f1"]["difference"] == 75.0
    write_squad(tmp_path / "births.de.json", questions=9)
    with pytest.raises(InputError, match="earlier: has no predictions for these test sets of --tests: births/de;"):
        plan(config)


def test_comparison_with_the_own_output_is_rejected(
    config: EvaluateConfig, fake: FakePredictions, tmp_path: Path
) -> None:
    run(config, model=str(tmp_path / "bad"))
    with pytest.raises(InputError, match=r"--compare .*out: is also the --output"):
        run(config, model=str(tmp_path / "good"), compare=f"{config.output}/")
    assert json.loads(Path(config.output, "predictions/births/ar.json").read_text())["q1"] == "x"


def test_models_for_different_tasks_are_not_compared(config: EvaluateConfig, tmp_path: Path, encoder: str) -> None:
    config.compare = str(write_model(tmp_path / "tagger", encoder, task="ner"))
    with pytest.raises(InputError, match=r"tagger: its task is ner, but that of .*good is mrc"):
        plan(config)


def test_a_single_example_is_not_compared(config: EvaluateConfig, tmp_path: Path) -> None:
    config.compare = str(tmp_path / "bad")
    write_squad(tmp_path / "births.ar.json", questions=1)
    with pytest.raises(InputError, match="births/ar has only one example"):
        plan(config)


def test_an_encoder_supports_retrieval_only(config: EvaluateConfig, tmp_path: Path) -> None:
    config.model = str(write_encoder("xlmr", tmp_path / "encoder"))
    with pytest.raises(InputError, match="births/ar: the model is an encoder without a task"):
        plan(config)


def test_scores_become_tags_of_a_version() -> None:
    tracked = start_run(job="evaluate", output="x")
    client = MlflowClient(tracked.tracking_uri)
    client.create_registered_model("evaluated")
    client.create_model_version("evaluated", "x")
    metrics = {"xquad": {"ar": {"f1": 12.345, "f1_interval": [1.0, 20.0], "n": 3}}}
    tag_version(tracked, "models:/evaluated/1", metrics)
    tag_version(tracked, "/a/folder", metrics)
    assert client.get_model_version("evaluated", "1").tags == {"xquad/ar/f1": "12.35"}
