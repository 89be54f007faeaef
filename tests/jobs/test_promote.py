"""The promote job, from command line to registry, on Ray."""

import json
from pathlib import Path

import pytest
from mlflow import MlflowClient
from promote import check_champion, main
from tiny import TEXTS, write_encoder

from clism_core.command_line import EXIT_DONE, run_job
from clism_core.evaluation import evaluate
from clism_core.evaluation.config import EvaluateConfig
from clism_core.evaluation.promotion import PROMOTION_TAG, PromoteConfig, Versions
from clism_core.inference.models import EvaluatedModel
from clism_core.tasks.mrc.config import MrcConfig
from clism_core.tasks.mrc.model import MrcModel
from clism_core.tasks.registration import register_task_model
from clism_core.tracking.lifecycle import start_run
from clism_core.tracking.registry import version_with_alias
from clism_core.utils.errors import InputError
from clism_core.utils.home import tracking_uri


def write_questions(path: Path) -> None:
    text = TEXTS[0]
    questions = [
        {"id": f"q{start}", "question": "Who?", "answers": [{"text": text[start : start + 4], "answer_start": start}]}
        for start in (0, 5)
    ]
    data = [{"title": "t", "paragraphs": [{"context": text, "qas": questions}]}]
    path.write_text(json.dumps({"version": "1.1", "data": data}))


def run(tmp_path: Path, *options: str) -> int:
    tests = json.dumps([{"dataset": "xquad", "language": "en", "path": str(tmp_path / "en.json")}])
    arguments = ["--model", "clism-mrc", "--tests", tests, "--output", str(tmp_path / "output"), *options]
    return run_job(PromoteConfig, main, description=None, arguments=arguments)


@pytest.mark.ray
@pytest.mark.slow
def test_equal_challenger_does_not_become_champion(
    ray_cluster: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    encoder = str(write_encoder("xlmr", tmp_path / "encoder"))
    MrcModel.begin(encoder, MrcConfig(max_length=64, stride=8, max_question_length=24), seed=0).save(folder)
    tracked = start_run(job="finetune", output="/outputs/x")
    first = register_task_model(tracked, folder, task="mrc", step=1)
    second = register_task_model(tracked, folder, task="mrc", step=2)
    client = MlflowClient(tracking_uri())
    client.set_registered_model_alias("clism-mrc", "champion", str(first.version))
    write_questions(tmp_path / "en.json")

    assert run(tmp_path, "--dry_run", "true") == EXIT_DONE
    assert "nothing has changed" in capsys.readouterr().out
    assert client.get_model_version("clism-mrc", str(second.version)).tags == {}

    assert run(tmp_path) == EXIT_DONE
    verdict = f"clism-mrc: version {first.version} stays champion"
    assert verdict in capsys.readouterr().out
    assert version_with_alias(client, "clism-mrc", "champion") == first.version
    for version in (first, second):
        assert client.get_model_version("clism-mrc", str(version.version)).tags[PROMOTION_TAG].startswith(verdict)

    client.delete_registered_model_alias("clism-mrc", "champion")
    assert run(tmp_path) == EXIT_DONE
    assert version_with_alias(client, "clism-mrc", "champion") == second.version


def test_an_evaluation_of_another_version_is_an_error_before_prediction(tmp_path: Path) -> None:
    note = {"model": "models:/clism-mrc/1", "fingerprint": "f", "test_sets": {}}
    (tmp_path / "evaluation.json").write_text(json.dumps(note))
    config = PromoteConfig(model="clism-mrc", champion_evaluation=str(tmp_path))
    planned = evaluate.Plan(
        config=EvaluateConfig(model="models:/clism-mrc/3", tests=[], output="", compare=str(tmp_path)),
        model=EvaluatedModel("models:/clism-mrc/3", None, "g", 1),
        test_sets=[],
        compared=None,
    )
    check_champion(config, Versions("clism-mrc", 3, 1), planned)
    with pytest.raises(InputError, match="an evaluation of models:/clism-mrc/1, but champion is models:/clism-mrc/2"):
        check_champion(config, Versions("clism-mrc", 3, 2), planned)
