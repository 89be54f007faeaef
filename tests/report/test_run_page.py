"""The page of a run: what it shows, and that nothing in it is run or loaded."""

import json
from pathlib import Path

import pytest
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
    assert ">57.6</td>" in page
    assert "license: mit" not in page
    assert page.count('<img src="data:image/png;base64,') == 1
    assert "steps: 3" in page
    assert f"mlflow artifacts download --run-id {run.run_id} --artifact-path config.yaml --dst-path ." in page
    assert "clism pretrain --config config.yaml --output NEW_FOLDER" in page
    assert "not shown" not in page


def test_texts_are_escaped_and_nothing_is_loaded(step: Step, tmp_path: Path) -> None:
    file = tmp_path / "answers.jsonl"
    file.write_text(json.dumps({"question": "<img src=x onerror=alert(1)>", "answer": "ماري", "spans": []}) + "\n")
    page = page_of(step, file)
    assert "<script" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert "&lt;img src=x onerror=alert(1)&gt;" in page
    assert "/outputs/&lt;first&gt;" in page
    assert '<th scope="col">spans</th>' not in page  # only texts and numbers are columns
    policy = page.partition('http-equiv="Content-Security-Policy" content="')[2].partition('"')[0]
    assert "default-src &#39;none&#39;" in policy
    assert "script-src" not in policy


def test_only_the_first_predictions_are_shown_and_all_are_counted(tmp_path: Path) -> None:
    file = tmp_path / "answers.jsonl"
    file.write_text("".join(json.dumps({"id": row}) + "\n" for row in range(MAX_PREDICTIONS + 7)))
    predictions = read_predictions(str(file))
    assert [row["id"] for row in predictions.rows] == list(range(MAX_PREDICTIONS))
    assert predictions.total == MAX_PREDICTIONS + 7


@pytest.mark.parametrize(("content", "line"), [("[1]\n", 1), ('{"id": 1}\n{"id"', 2)])
def test_a_file_that_is_no_jsonl_is_named_with_its_line(tmp_path: Path, content: str, line: int) -> None:
    file = tmp_path / "answers.jsonl"
    file.write_text(content)
    with pytest.raises(InputError, match=rf"answers\.jsonl.*line {line} is not a JSON object"):
        read_predictions(str(file))
    with pytest.raises(InputError, match="does not exist"):
        read_predictions(str(tmp_path / "none"))


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
