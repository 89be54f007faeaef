"""The page of a run: what it shows, and that nothing in it is run or loaded."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from botocore.exceptions import EndpointConnectionError
from matplotlib.figure import Figure
from mlflow import MlflowClient
from tiny import change_manifest, write_prepared

from clism_core.report.page import MAX_PREDICTIONS, read_predictions, render
from clism_core.report.samples import Part, example_samples, split
from clism_core.report.steps import Step, read_step
from clism_core.tracking.lifecycle import start_run
from clism_core.tracking.run import TrackedRun
from clism_core.utils.errors import InputError
from clism_core.utils.home import tracking_uri

CARD = "---\nlicense: mit\n---\n# Model\n\n| | en-ar |\n|---|---:|\n| exact match | 57.6 |\n\n<script>alert(1)</script>"


@pytest.fixture
def run(home_folder: Path) -> TrackedRun:
    run = start_run(job="pretrain", output="/outputs/<first>")
    run.log_config({"model": "xlm-roberta-base", "loop": {"steps": 3}})
    run.log_figure(Figure(), "plots/loss.png")
    run.client.log_text(run.run_id, CARD, "README.md")
    run.client.log_text(run.run_id, "not shown", "notes.txt")
    run.finish()
    return run


@pytest.fixture
def step(run: TrackedRun) -> Step:
    client = MlflowClient(tracking_uri())
    return read_step(client, client.get_run(run.run_id))


def page_of(step: Step, predictions: Path | None = None) -> str:
    shown = None if predictions is None else read_predictions(str(predictions))
    return render([step], samples=[], predictions=shown, tracking_uri=tracking_uri())


def test_a_run_is_shown_with_its_files_and_the_commands_that_repeat_it(step: Step, run: TrackedRun) -> None:
    page = page_of(step)
    assert step.status == "FINISHED"
    assert '<td class="number">57.6</td>' in page
    assert " style=" not in page  # the policy forbids them
    assert "license: mit" not in page
    assert page.count('<img src="data:image/png;base64,') == 1
    assert "steps: 3" in page
    assert f"mlflow artifacts download --run-id {run.run_id} --artifact-path config.yaml --dst-path ." in page
    assert "clism pretrain --config config.yaml --output NEW_FOLDER" in page
    assert "not shown" not in page


def test_the_commands_find_the_run_without_settings_of_their_own(step: Step, tmp_path: Path) -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("MLFLOW", "CLISM"))}
    environment["PATH"] = f"{Path(sys.executable).parent}:{environment['PATH']}"
    script = "\n".join(step.commands[:2])
    subprocess.run(["sh", "-e", "-c", script], cwd=tmp_path, env=environment, check=True)
    assert (tmp_path / "config.yaml").read_text(encoding="utf-8") == step.config


def test_texts_are_escaped_and_nothing_is_loaded(step: Step, tmp_path: Path) -> None:
    file = tmp_path / "answers.jsonl"
    file.write_text(
        json.dumps({"question": "<img src=x onerror=alert(1)>", "answer": "ماري", "spans": []}, ensure_ascii=False)
        + "\n"
    )
    page = page_of(step, file)
    assert "<script" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert "&lt;img src=x onerror=alert(1)&gt;" in page
    assert "/outputs/&lt;first&gt;" in page
    policy = page.partition('http-equiv="Content-Security-Policy" content="')[2].partition('"')[0]
    assert "default-src &#39;none&#39;" in policy
    assert "script-src" not in policy


def test_links_lead_to_the_web_only(run: TrackedRun) -> None:
    targets = [
        "https://example.org/a",
        "#part",
        "file:///etc",
        "data:image/png;base64,AA",
        "vscode://x",
        "//host/x",
        "../x",
    ]
    text = " ".join(f"[link]({target})" for target in targets) + " ![picture](https://example.org/b.png)"
    run.client.log_text(run.run_id, text, "links.md")
    client = MlflowClient(tracking_uri())
    page = str(read_step(client, client.get_run(run.run_id)).documents["links.md"])
    assert re.findall(r'href="([^"]*)"', page) == [*targets[:2], "https://example.org/b.png"]
    assert "<img" not in page


def test_a_run_whose_files_cannot_be_read_is_shown_without_them(
    run: TrackedRun, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def download(*_: object) -> str:
        raise EndpointConnectionError(endpoint_url="http://store")

    monkeypatch.setattr(MlflowClient, "download_artifacts", download)
    client = MlflowClient(tracking_uri())
    step = read_step(client, client.get_run(run.run_id))
    assert (step.documents, step.pictures, step.commands) == ({}, {}, [])
    assert f"the report shows no files of run {run.run_id}" in caplog.text


def test_a_run_of_another_project_has_no_command(home_folder: Path) -> None:
    client = MlflowClient(tracking_uri())
    other = client.create_run(client.create_experiment("other"), run_name="lynx")
    client.log_text(other.info.run_id, "a: 1", "config.yaml")
    step = read_step(client, client.get_run(other.info.run_id))
    assert (step.title, step.commands, step.config) == ("lynx", [], "a: 1")


def test_predictions_of_any_task_are_texts_in_columns(tmp_path: Path) -> None:
    file = tmp_path / "tagged.jsonl"
    entity = {"label": "PER", "text": "ماري"}
    rows = [{"tokens": ["a", "b"], "entities": [entity], "score": 0.123456, "note": None}, {"text": "c"}]
    file.write_text("".join(json.dumps(row) + "\n" for row in rows) + "\n")
    predictions = read_predictions(str(file))
    assert predictions.columns == ["tokens", "entities", "score", "note", "text"]
    first, second = predictions.rows
    assert first == ['["a", "b"]', '[{"label": "PER", "text": "ماري"}]', "0.123", "", ""]
    assert second == ["", "", "", "", "c"]


def test_only_the_first_predictions_are_shown_and_all_are_counted(tmp_path: Path) -> None:
    file = tmp_path / "answers.csv"
    file.write_text("id\n" + "".join(f"{row}\n" for row in range(MAX_PREDICTIONS + 7)))
    predictions = read_predictions(str(file))
    assert [row for (row,) in predictions.rows] == [str(row) for row in range(MAX_PREDICTIONS)]
    assert predictions.total == MAX_PREDICTIONS + 7


@pytest.mark.parametrize(("content", "row"), [("[1]\n", 1), ('{"id": 1}\n{"id"', 2)])
def test_an_unreadable_row_is_named(tmp_path: Path, content: str, row: int) -> None:
    file = tmp_path / "answers.jsonl"
    file.write_text(content)
    with pytest.raises(InputError, match=rf"answers\.jsonl: row {row} cannot be read"):
        read_predictions(str(file))
    with pytest.raises(InputError, match="does not exist"):
        read_predictions(str(tmp_path / "none.jsonl"))


def test_a_sample_of_each_pair_is_masked_in_the_source(tmp_path: Path) -> None:
    folder = write_prepared(tmp_path)
    change_manifest(folder, pairs={"en-de": {}, "en-es": {}})
    shown = example_samples(str(folder))
    assert [sample.target.language for sample in shown] == ["de", "es"]
    for sample in shown:
        source = "".join(part.text for part in sample.source.parts)
        masked = "".join(part.text for part in sample.masked.parts)
        spans = {part.span for part in sample.source.parts} - {None}
        assert masked.count("[QUE]") == len(spans) > 0
        assert "[QUE]" not in source
        assert spans == {part.span for part in sample.target.parts} - {None}


@pytest.mark.parametrize(
    ("spans", "parts"),
    [
        ([], [Part("abcdef")]),
        ([(0, 2, 0)], [Part("ab", 0), Part("cdef")]),
        ([(1, 3, 1), (3, 6, 0)], [Part("a"), Part("bc", 1), Part("def", 0)]),
    ],
)
def test_split(spans: list[tuple[int, int, int]], parts: list[Part]) -> None:
    assert list(split("abcdef", spans)) == parts
