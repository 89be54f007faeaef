"""The evaluate job on tiny models: questions in two languages, tagged sentences, sentence pairs."""

import json
from pathlib import Path

import evaluate as job
import pytest
from labelled import write_conll, write_squad
from tiny import write_encoder

from clism_core.command_line import EXIT_BAD_INPUT, EXIT_DONE, run_job
from clism_core.evaluation.config import EvaluateConfig
from clism_core.tasks.mrc.config import MrcConfig
from clism_core.tasks.mrc.model import MrcModel
from clism_core.tasks.ner.config import NerConfig
from clism_core.tasks.ner.conlleval import count_entities
from clism_core.tasks.ner.model import NerModel

pytestmark = [pytest.mark.ray, pytest.mark.slow]


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    root = tmp_path_factory.mktemp("models")
    encoder = str(write_encoder("xlmr", root / "encoder"))
    MrcModel.begin(encoder, MrcConfig(max_length=64, stride=8, max_question_length=16), seed=0).save(root / "mrc")
    NerModel.begin(encoder, NerConfig(max_length=64, stride=8), seed=0).save(root / "ner")
    return {name: str(root / name) for name in ("encoder", "mrc", "ner")}


def run(*arguments: str) -> int:
    return run_job(EvaluateConfig, job.main, description=None, arguments=[*arguments, "--resamples", "199"])


def files(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_questions_and_pairs_then_again_and_against_itself(
    ray_cluster: None, models: dict[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_squad(tmp_path / "births.en.json", questions=70)  # more than a block
    write_squad(tmp_path / "births.de.json", questions=5, misplaced=1)
    pairs = [("Mary Smith lives in Berlin.", "Mary Smith lebt in Berlin."), ("Paris", "in Paris"), ("1984", "geboren")]
    (tmp_path / "pairs.en-de.tsv").write_text("".join(f"{source}\t{target}\n" for source, target in pairs))
    tests = (
        f"[{{dataset: births, path: {tmp_path}/births.*.json}}, "
        f"{{dataset: flores, kind: retrieval, path: {tmp_path}/pairs.en-de.tsv}}]"
    )
    output = tmp_path / "out"
    assert run("--model", models["mrc"], "--tests", tests, "--output", str(output)) == EXIT_DONE
    said = capsys.readouterr().out
    assert files(output) == [
        "evaluation.json",
        "metrics.json",
        "predictions/births/de.json",
        "predictions/births/en.json",
        "predictions/flores/en-de.json",
        "scores.png",
        "table.csv",
        "table.md",
    ]
    metrics = json.loads((output / "metrics.json").read_text())
    assert {dataset: {name: each["n"] for name, each in groups.items()} for dataset, groups in metrics.items()} == {
        "births": {"de": 5, "en": 70, "average": 75},
        "flores": {"en-de": 3, "average": 3},
    }
    assert {metrics["births"]["de"]["scorer"], metrics["flores"]["en-de"]["scorer"]} == {
        "squad-1.1",
        "retrieval-accuracy",
    }
    answers = json.loads((output / "predictions/births/en.json").read_text())
    assert list(answers) == [f"q{number}" for number in range(70)]
    assert all(answers.values())
    assert (output / "table.md").read_text() in said
    assert f"--model OTHER --compare {output}" in said

    written = {name: (output / name).stat().st_mtime_ns for name in files(output) if name.startswith("predictions/")}
    again = ["--model", models["mrc"], "--tests", tests, "--output", str(output), "--compare", models["mrc"]]
    assert run(*again, "--workers", "1") == EXIT_DONE
    assert {name: (output / name).stat().st_mtime_ns for name in written} == written
    comparison = json.loads((output / "metrics.json").read_text())["comparison"]
    differences = [
        scores["difference"]
        for groups in comparison["differences"].values()
        for each in groups.values()
        for scores in each.values()
    ]
    assert differences == [0.0] * len(differences)
    for name in written:  # on one worker as on several
        assert (output / "compared" / name).read_text() == (output / name).read_text()


def test_tagged_sentences(ray_cluster: None, models: dict[str, str], tmp_path: Path) -> None:
    file = write_conll(tmp_path / "testb", sentences=10)
    tests = f"[{{dataset: conll, language: en, path: {file}}}]"
    output = tmp_path / "out"
    assert run("--model", models["ner"], "--tests", tests, "--output", str(output)) == EXIT_DONE
    metrics = json.loads((output / "metrics.json").read_text())["conll"]["en"]
    sentences = (output / "predictions/conll/en.conll").read_text().split("\n\n")
    assert sentences.pop() == ""
    rows = [[line.split(" ") for line in sentence.split("\n")] for sentence in sentences]
    given = [[line.split(" ") for line in block.splitlines()] for block in file.read_text().split("\n\n")]
    assert [[line[:2] for line in sentence] for sentence in rows] == given
    counts = [
        sum(of.correct for of in count_entities(gold=gold, predicted=predicted).values())
        for gold, predicted in ([[line[column] for line in sentence] for column in (1, 2)] for sentence in rows)
    ]
    assert (metrics["n"], metrics["gold"], metrics["scorer"]) == (10, 20, "conlleval")
    assert metrics["correct"] == sum(counts)
    assert {"PER", "LOC"} <= metrics["by_label"].keys()


def test_a_bad_file_ends_the_job_before_anything_starts(
    models: dict[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    good = write_squad(tmp_path / "births.en.json")
    (tmp_path / "births.de.json").write_text("{}")
    tests = f"[{{dataset: births, path: {good}}}, {{dataset: births, path: {tmp_path}/births.de.json}}]"
    output = tmp_path / "out"
    assert run("--model", models["mrc"], "--tests", tests, "--output", str(output)) == EXIT_BAD_INPUT
    error = capsys.readouterr().err
    assert error.startswith(f"error: {tmp_path}/births.de.json: data: Field required")
    assert not output.exists()
