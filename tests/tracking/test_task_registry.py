"""Task models in the registry: what is stored, and that they predict wherever they are loaded."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import mlflow
import pandas as pd
import pytest
import torch
from fastapi.testclient import TestClient
from mlflow.pyfunc import scoring_server
from tiny import TEXTS, write_encoder

from clism_core.inference import served_model as task_model
from clism_core.inference.predictor import load_predictor
from clism_core.tasks.mrc.config import MrcConfig
from clism_core.tasks.mrc.model import MrcModel
from clism_core.tasks.ner.config import NerConfig
from clism_core.tasks.ner.model import NerModel
from clism_core.tasks.registration import TASK_PACKAGES, description_of, register_task_model
from clism_core.tasks.registry import TASKS, TaskName
from clism_core.tracking.lifecycle import start_run
from clism_core.tracking.registry import version_with_alias
from clism_core.tracking.run import TrackedRun

CARD = "---\nlanguage: [en]\n---\n# A model\n\nOf two\nlines.\n\n## More\n\ntext\n"
QUESTION = {"question": "Where was Mary Smith born?", "context": TEXTS[0]}
SENTENCES: list[dict[str, Any]] = [{"text": TEXTS[0]}, {"tokens": ["Mary", "Smith", "lives", "in", "Berlin"]}]
ROOT = Path(__file__).parents[2]
DEADLINE = 240.0  # seconds


def write_task_model(task: TaskName, folder: Path) -> Path:
    """Write a tiny task model with random weights and a card."""
    encoder = str(write_encoder("xlmr", folder / "encoder"))
    model_folder = folder / "model"
    model_folder.mkdir()
    if task == "mrc":
        MrcModel.begin(encoder, MrcConfig(max_length=64, stride=8, max_question_length=24), seed=0).save(model_folder)
    else:
        NerModel.begin(encoder, NerConfig(max_length=64, stride=8), seed=0).save(model_folder)
    (model_folder / "README.md").write_text(CARD)
    return model_folder


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[TaskName, Path]:
    tasks: tuple[TaskName, ...] = ("mrc", "ner")
    return {task: write_task_model(task, tmp_path_factory.mktemp(task)) for task in tasks}


@pytest.fixture(scope="module")
def registered(
    models: dict[TaskName, Path], empty_store: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Path]:
    """Register both models once; return the home folder."""
    home = tmp_path_factory.mktemp("home")
    (home / "mlflow.db").write_bytes(empty_store.read_bytes())
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CLISM_HOME", str(home))
        patch.delenv("MLFLOW_TRACKING_URI")
        run = start_run(job="finetune", output="/outputs/x")
        for task, folder in models.items():
            register_task_model(run, folder, task=task, step=3, metrics={"en/f1": 61.25})
        yield home


def as_client(home: Path, monkeypatch: pytest.MonkeyPatch) -> TrackedRun:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{home / 'mlflow.db'}")
    mlflow.set_tracking_uri(f"sqlite:///{home / 'mlflow.db'}")
    return TrackedRun(f"sqlite:///{home / 'mlflow.db'}", "none")


@pytest.mark.parametrize("name", ["clism-mrc", "clism-ner"])
def test_first_version_is_champion_with_metrics_and_description(
    registered: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    client = as_client(registered, monkeypatch).client
    assert {alias: version_with_alias(client, name, alias) for alias in ("candidate", "champion", "nobody")} == {
        "candidate": 1,
        "champion": 1,
        "nobody": None,
    }
    version = client.get_model_version(name, "1")
    assert version.tags == {"en/f1": "61.25"}
    assert version.description == "# A model\n\nOf two\nlines."


def test_missing_model_has_no_version(registered: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert version_with_alias(as_client(registered, monkeypatch).client, "nothing", "champion") is None


def test_no_pickle_is_stored(registered: Path) -> None:
    stored = {file.name for file in (registered / "artifacts").rglob("*") if file.is_file()}
    assert {"served_model.py", "model.safetensors", "task.json", "README.md", "predictor.py"} <= stored
    assert not [name for name in stored if name.endswith((".pkl", ".pickle", ".bin", ".pt", ".pyc"))]


def test_served_model_answers_like_the_predictor(
    registered: Path, models: dict[TaskName, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    as_client(registered, monkeypatch)
    model = mlflow.pyfunc.load_model("models:/clism-mrc@champion")
    rows: list[dict[str, Any]] = [QUESTION, {"question": "Who?", "context": TEXTS[2], "other": 3}]
    expected = load_predictor(str(models["mrc"]))(rows)
    for given in (rows, pd.DataFrame(rows)):
        found = model.predict(given)
        assert [set(map(type, answer.values())) for answer in found] == [{str, float, int}] * 2
        assert [(each["answer"], each["start"], each["end"]) for each in found] == [
            (each["answer"], each["start"], each["end"]) for each in expected
        ]
        assert [each["score"] for each in found] == pytest.approx([each["score"] for each in expected])
    three = model.predict(rows[:1], params={"n_best": 3, "batch_size": 1})
    assert three[0]["n_best"][0]["answer"] == expected[0]["answer"]
    assert len(three[0]["n_best"]) == 3


@pytest.mark.parametrize("page", ["README.md", "docs/tasks.md"])
def test_the_example_of_the_documentation_runs(registered: Path, monkeypatch: pytest.MonkeyPatch, page: str) -> None:
    as_client(registered, monkeypatch)
    example = re.search(r"```python\n(from clism_core import load\n.*?)```", (ROOT / page).read_text(), re.DOTALL)
    assert example
    names: dict[str, Any] = {}
    exec(compile(example[1], page, "exec"), names)
    assert names["answer"].keys() == {"answer", "score", "start", "end"}
    assert [names["answer"].keys() <= answer.keys() for answer in names["answers"]] == [True, True]
    assert names["found"].keys() == {"entities"}
    assert len(names.get("tagged", [{}, {}])) == 2


@pytest.mark.parametrize("task", ["mrc", "ner"])
def test_concurrent_requests_are_serialised(
    models: dict[TaskName, Path], task: TaskName, monkeypatch: pytest.MonkeyPatch
) -> None:
    served = task_model.ServedTaskModel()
    context: Any = SimpleNamespace(artifacts={"model": str(models[task])})
    served.load_context(context)
    busy, alone = threading.Lock(), []

    def answer(records: list[dict[str, Any]], **_: Any) -> list[dict[str, Any]]:
        alone.append(busy.acquire(blocking=False))
        time.sleep(0.05)
        if alone[-1]:
            busy.release()
        return records

    monkeypatch.setattr(type(TASKS[task]), "predictor", lambda *_, **__: answer)
    with ThreadPoolExecutor(4) as threads:
        found = list(threads.map(lambda _: served.predict(context, pd.DataFrame([QUESTION])), range(4)))
    assert found == [[QUESTION]] * 4
    assert alone == [True] * 4


def test_texts_and_tokens_may_be_mixed(
    registered: Path, models: dict[TaskName, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    as_client(registered, monkeypatch)
    model = mlflow.pyfunc.load_model("models:/clism-ner@champion")
    places = [
        [(each["label"], each["start"], each["end"]) for each in found["entities"]]
        for found in load_predictor(str(models["ner"]))(SENTENCES)
    ]
    assert any(places), "random weights find nothing: choose another seed"
    for given in (SENTENCES, pd.DataFrame(SENTENCES)):
        found = model.predict(given)
        assert [[(each["label"], each["start"], each["end"]) for each in one["entities"]] for one in found] == places


@pytest.mark.parametrize(
    ("name", "record", "message"),
    [
        pytest.param("clism-mrc", {"question": "Who?"}, "context", id="no-context"),
        pytest.param("clism-mrc", {"question": None, "context": "x"}, "question", id="null-question"),
        pytest.param("clism-mrc", {"question": 3, "context": "x"}, "record 1: question is int", id="number"),
        pytest.param("clism-ner", {"tokens": ["a", 1]}, "token 2", id="number-among-tokens"),
        pytest.param("clism-ner", {"text": None}, "neither text nor tokens", id="null-text"),
        pytest.param("clism-ner", {"words": "x"}, "the columns that this model accepts are missing", id="no-column"),
    ],
)
def test_invalid_records_are_errors(
    registered: Path, monkeypatch: pytest.MonkeyPatch, name: str, record: dict[str, Any], message: str
) -> None:
    as_client(registered, monkeypatch)
    model = mlflow.pyfunc.load_model(f"models:/{name}@champion")
    with pytest.raises(Exception, match=message):
        model.predict([record])


@pytest.fixture(scope="module")
def servers(registered: Path) -> Iterator[dict[str, TestClient]]:
    """MLflow's server of each model, without a process and a port."""
    with pytest.MonkeyPatch.context() as patch:
        as_client(registered, patch)
        yield {
            task: TestClient(scoring_server.init(mlflow.pyfunc.load_model(f"models:/clism-{task}@champion")))
            for task in ("mrc", "ner")
        }


def request(server: TestClient, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
    response = server.post("/invocations", content=json.dumps(body), headers={"Content-Type": "application/json"})
    return response.status_code, response.json()


GOOD = {"mrc": QUESTION, "ner": SENTENCES[0]}


@pytest.mark.parametrize("layout", ["inputs", "dataframe_records", "dataframe_split", "instances"])
@pytest.mark.parametrize("task", ["mrc", "ner"])
def test_each_format_of_requests_is_answered(servers: dict[str, TestClient], task: str, layout: str) -> None:
    record = GOOD[task]
    split = {"columns": list(record), "data": [list(record.values())]}
    status, answer = request(servers[task], {layout: split if layout == "dataframe_split" else [record]})
    assert (status, len(answer["predictions"])) == (200, 1)


@pytest.mark.parametrize("layout", ["inputs", "dataframe_records"])
@pytest.mark.parametrize(
    ("task", "record", "message"),
    [
        pytest.param("mrc", {"question": "x", "context": None}, "context is missing", id="null-context"),
        pytest.param("mrc", {"question": None, "context": "x"}, "question is missing", id="null-question"),
        pytest.param("mrc", {"question": float("nan"), "context": "x"}, "question is missing", id="nan"),
        pytest.param("mrc", {"question": "x"}, "context", id="absent-context"),
        pytest.param("mrc", {"question": "x", "context": 3}, "context is int, not a string", id="number"),
        pytest.param("mrc", {"question": True, "context": "x"}, "question is bool, not a string", id="boolean"),
        pytest.param("mrc", {"question": "x", "context": ["a", "b"]}, "context is list, not a string", id="list"),
        pytest.param("mrc", {"question": "x", "context": {"a": 1}}, "context is dict, not a string", id="object"),
        pytest.param("mrc", {"question": "x", "context": " "}, "context is blank", id="blank"),
        pytest.param("mrc", {"question": "", "context": "x"}, "question is blank", id="empty"),
        pytest.param("ner", {"text": None}, "neither text nor tokens", id="ner-null"),
        pytest.param("ner", {"text": float("nan")}, "neither text nor tokens", id="ner-nan"),
        pytest.param("ner", {"text": 3}, "text is int", id="ner-number"),
        pytest.param("ner", {"text": ["a"]}, "text is list", id="ner-list"),
        pytest.param("ner", {"text": ""}, "text is blank", id="ner-empty"),
        pytest.param("ner", {"tokens": []}, "tokens is empty", id="ner-no-tokens"),
        pytest.param("ner", {"tokens": ["a", None]}, "token 2 is NoneType", id="ner-null-token"),
        pytest.param("ner", {"tokens": "a b"}, "tokens is str", id="ner-text-as-tokens"),
        pytest.param("ner", {"text": "a", "tokens": ["a"]}, "both text and tokens", id="ner-both"),
        pytest.param("ner", {"words": "a"}, "columns that this model accepts are missing", id="ner-absent"),
    ],
)
def test_a_refused_request_has_status_400_and_the_reason(
    servers: dict[str, TestClient], task: str, record: dict[str, Any], message: str, layout: str
) -> None:
    status, answer = request(servers[task], {layout: [record]})
    assert status == 400
    assert message in answer["message"]
    status, answer = request(servers[task], {layout: [GOOD[task], record]})
    assert status == 400
    assert "record 2: " in answer["message"]


@pytest.mark.parametrize(
    ("params", "message"),
    [
        pytest.param({"n_best": 99}, "n_best 99 is out of range", id="n_best"),
        pytest.param({"batch_size": 0}, "batch_size is 0, but must be at least 1", id="batch_size"),
    ],
)
def test_a_refused_option_has_status_400_and_the_reason(
    servers: dict[str, TestClient], params: dict[str, Any], message: str
) -> None:
    status, answer = request(servers["mrc"], {"inputs": [QUESTION], "params": params})
    assert status == 400
    assert message in answer["message"]


def test_description_is_heading_and_first_paragraph() -> None:
    assert description_of("# Only a heading\n") == "# Only a heading"
    assert description_of(CARD) == "# A model\n\nOf two\nlines."


def run_python(code: str, *, home: Path, folder: Path) -> str:
    """Run code in a fresh process that knows nothing but the tracking store."""
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "MLFLOW_TRACKING_URI": f"sqlite:///{home / 'mlflow.db'}",
    }
    done = subprocess.run(
        [sys.executable, "-c", code],
        check=False,
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=DEADLINE,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip().splitlines()[-1]


# An editable install puts the checkout on the path; the model's own code is what remains.
WITHOUT_PROJECT = """
import importlib.util, pathlib, sys
sys.path = [folder for folder in sys.path if not pathlib.Path(folder, "clism_core").is_dir()]
assert importlib.util.find_spec("clism_core") is None
"""
PREDICT = """
import json, mlflow
model = mlflow.pyfunc.load_model("models:/clism-mrc@champion")
import clism_core
print(json.dumps([model.predict([{record}]), clism_core.__file__]))
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    "before", [pytest.param("", id="installed"), pytest.param(WITHOUT_PROJECT, id="not-installed")]
)
def test_fresh_process_predicts_with_the_code_of_the_model(
    registered: Path, models: dict[TaskName, Path], tmp_path: Path, before: str
) -> None:
    output = run_python(before + PREDICT.replace("{record}", repr(QUESTION)), home=registered, folder=tmp_path)
    answers, code = json.loads(output)
    expected = load_predictor(str(models["mrc"]))([QUESTION])
    assert [answer["answer"] for answer in answers] == [answer["answer"] for answer in expected]
    assert Path(code).is_relative_to(registered / "artifacts"), "not the code that is stored with the model"


IMPORTS = """
import builtins, sys
found, real = set(), builtins.__import__
def record(name, names=None, *rest, **more):
    if (names or {}).get("__name__", "").startswith("clism_core"):
        found.add(name.partition(".")[0])
    return real(name, names, *rest, **more)
builtins.__import__ = record
import clism_core.inference.predictor
print(" ".join(sorted(found - {"clism_core", ""} - sys.stdlib_module_names)))
"""


@pytest.mark.slow
def test_imports_of_predictors_are_requirements(registered: Path, tmp_path: Path) -> None:
    imported = set(run_python(IMPORTS, home=registered, folder=tmp_path).split())
    assert "torch" in imported
    assert imported <= set(TASK_PACKAGES)
    assert "ray" not in TASK_PACKAGES


def test_predictors_do_not_import_ray(registered: Path, tmp_path: Path) -> None:
    code = "import sys, clism_core.inference.predictor; print([name for name in sys.modules if name.startswith('ray')])"
    assert run_python(code, home=registered, folder=tmp_path) == "[]"


def test_required_packages_exist_for_other_hardware(registered: Path) -> None:
    (required,) = {file.read_text() for file in (registered / "artifacts").rglob("requirements.txt")}
    assert f"torch=={torch.__version__.partition('+')[0]}\n" in required
    assert "+" not in required


@pytest.mark.slow
def test_served_model_answers_over_http(registered: Path, models: dict[TaskName, Path], tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    programs = Path(sys.executable).parent  # MLflow calls uvicorn by its name
    environment = os.environ | {
        "MLFLOW_TRACKING_URI": f"sqlite:///{registered / 'mlflow.db'}",
        "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}",
    }
    command = [
        str(programs / "mlflow"),
        "models",
        "serve",
        "-m",
        "models:/clism-mrc@champion",
        "--env-manager",
        "local",
    ]
    command += ["--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    log = tmp_path / "serve.log"
    with log.open("wb") as output:
        server = subprocess.Popen(
            command, cwd=tmp_path, env=environment, stdout=output, stderr=output, start_new_session=True
        )
    try:
        wait_for_ping(port, server, log)
        expected = load_predictor(str(models["mrc"]))([QUESTION])
        split = {"columns": list(QUESTION), "data": [list(QUESTION.values())]}
        for body in ({"inputs": [QUESTION]}, {"dataframe_records": [QUESTION]}, {"dataframe_split": split}):
            (answer,) = post(port, body)["predictions"]
            assert (answer["answer"], answer["start"], answer["end"]) == (
                expected[0]["answer"],
                expected[0]["start"],
                expected[0]["end"],
            )
    finally:
        if server.poll() is None:
            os.killpg(server.pid, signal.SIGTERM)
            server.wait(30)


def wait_for_ping(port: int, server: subprocess.Popen[bytes], log: Path) -> None:
    end = time.monotonic() + DEADLINE
    while time.monotonic() < end and server.poll() is None:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/ping", timeout=5):
                return
        except OSError:
            time.sleep(0.5)
    pytest.fail(f"the server does not answer: {log.read_text()}")


def post(port: int, body: dict[str, Any]) -> dict[str, Any]:
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/invocations",
        data=json.dumps(body).encode(),
        headers={"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=60) as response:
        answer: dict[str, Any] = json.loads(response.read())
        return answer
