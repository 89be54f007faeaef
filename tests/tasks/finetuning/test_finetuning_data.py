from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Literal

import numpy as np
import pyarrow as pa
import pytest
from labelled import write_conll, write_squad

from clism_core.tasks.finetuning.config import FinetuneConfig
from clism_core.tasks.finetuning.data import (
    EncodedExamples,
    check_sources,
    digest,
    draw,
    encode_examples,
    encode_part,
    load_data,
)
from clism_core.tasks.finetuning.finetune import check_few_shot
from clism_core.tasks.hub import HubSplit
from clism_core.tasks.mrc.squad_format import Question
from clism_core.tasks.ner.config import NerConfig
from clism_core.training.data.indexed_rows import IndexedRows
from clism_core.utils.errors import InputError


@pytest.fixture
def config(tmp_path: Path) -> FinetuneConfig:
    train, dev = write_squad(tmp_path / "train.json"), write_squad(tmp_path / "dev.json", questions=4, first=20)
    return FinetuneConfig(task="mrc", model="m", train=str(train), dev=str(dev))


def ids(questions: object) -> list[str]:
    assert isinstance(questions, list)
    return [question.id for question in questions if isinstance(question, Question)]


def test_files_of_a_glob_are_concatenated(config: FinetuneConfig, tmp_path: Path) -> None:
    folder = tmp_path / "parts"
    folder.mkdir()
    write_squad(folder / "b.json", questions=2, first=2)
    write_squad(folder / "a.json", questions=2)
    data = load_data(replace(config, train=f"{folder}/*.json"))
    assert ids(data.train) == ["q0", "q1", "q2", "q3"]
    assert data.counts["data/examples"] == 4
    listed = load_data(replace(config, train=[str(folder / "a.json"), str(folder / "b.json")]))
    assert digest(listed.train) == digest(data.train)


def test_misplaced_answers_are_omitted_from_training_with_a_warning(
    config: FinetuneConfig, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file = str(write_squad(tmp_path / "wrong.json", misplaced=2))
    data = load_data(replace(config, train=file, dev=file))
    assert ids(data.train) == [f"q{number}" for number in range(2, 12)]
    assert len(data.dev) == 12
    assert data.counts["data/misplaced_answers"] == 2
    assert data.counts["data/misplaced_questions"] == 2
    assert "2 answers are not at their offset" in caplog.text
    assert "q0 should have 'Paris'" in caplog.text


@pytest.mark.parametrize("option", ["train", "dev"])
def test_labelled_sentences_without_entities_are_logged(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, option: str
) -> None:
    write_conll(tmp_path / "tagged")
    (tmp_path / "plain").write_text("Mary O\n")
    tagged, plain = (str(tmp_path / name) for name in ("tagged", "plain"))
    train, dev = (plain, tagged) if option == "train" else (tagged, plain)
    load_data(FinetuneConfig(task="ner", model="x", train=train, dev=dev))
    assert f"--{option}: {tmp_path / 'plain'} has no entities" in caplog.text
    assert caplog.text.count("has no entities") == 1


def test_larger_samples_of_a_seed_contain_smaller_ones() -> None:
    questions = [Question(f"q{number}", "?", "c", ()) for number in range(100)]
    few, more = draw(questions, 8, seed=3), draw(questions, 16, seed=3)
    assert ids(few) == ids(draw(questions, 8, seed=3))
    assert set(ids(few)) < set(ids(more))
    assert ids(few) == sorted(ids(few), key=lambda name: int(name[1:]))
    assert ids(few) != ids(draw(questions, 8, seed=4))
    assert draw(questions, None, seed=0) == draw(questions, 100, seed=1) == questions


def test_more_examples_than_available_are_rejected(config: FinetuneConfig) -> None:
    assert len(load_data(replace(config, examples=12)).train) == 12
    with pytest.raises(InputError, match="--examples 13: the training data has only 12"):
        load_data(replace(config, examples=13))


@pytest.mark.parametrize(("examples", "used", "is_refused"), [(None, 9, False), (10, 10, False), (10, 9, True)])
def test_a_few_shot_sample_that_yields_fewer_inputs_is_refused(
    config: FinetuneConfig, examples: int | None, used: int, is_refused: bool
) -> None:
    nothing = np.empty(0, dtype=np.int64)
    encoded = EncodedExamples(IndexedRows([], nothing, nothing, nothing), used, {"left_out_questions": 1})
    context = pytest.raises(
        InputError, match=r"--examples 10: only 9 of the examples yield an input \(1 questions are omitted: no window"
    )
    with context if is_refused else nullcontext():
        check_few_shot(replace(config, examples=examples), encoded)


def test_examples_that_yield_no_input_are_not_counted() -> None:
    schema = pa.schema([("length", pa.int32())])
    table, (lengths, used, counts) = encode_part(
        lambda size: ([{"length": size}] * size, {"seen": 1}), [("q7", 2), ("q8", 0), ("q9", 1)], schema
    )
    assert table["sample_id"].to_pylist() == ["q7", "q7", "q9"]
    assert (table.num_rows, lengths.tolist(), used, counts) == (3, [2, 2, 1], 2, {"seen": 3})


@pytest.mark.ray
def test_examples_without_any_input_are_an_error(ray_cluster: None) -> None:
    with pytest.raises(InputError, match="--train: none of 2 examples yields an input"):
        encode_examples(["a", "b"], lambda _: ([], {}), pa.schema([("length", pa.int32())]))


def test_fewer_development_examples_than_requested_are_logged(
    config: FinetuneConfig, caplog: pytest.LogCaptureFixture
) -> None:
    assert len(load_data(replace(config, dev_examples=4)).dev) == 4
    assert "--dev_examples" not in caplog.text
    assert len(load_data(replace(config, dev_examples=5)).dev) == 4
    assert "--dev_examples 5: the development data has only 4" in caplog.text


def test_a_duplicate_development_question_is_rejected(config: FinetuneConfig, tmp_path: Path) -> None:
    again = write_squad(tmp_path / "again.json", questions=1, first=20)
    with pytest.raises(InputError, match="--dev: question 'q20' is in two of the files"):
        load_data(replace(config, dev=[str(config.dev), str(again)]))


@pytest.mark.parametrize(
    ("first", "shared"), [pytest.param(10, 2, id="some"), pytest.param(20, 0, id="none"), pytest.param(0, 4, id="all")]
)
def test_overlap_of_development_and_training_data_is_logged(
    config: FinetuneConfig, tmp_path: Path, caplog: pytest.LogCaptureFixture, first: int, shared: int
) -> None:
    dev = write_squad(tmp_path / "dev.json", questions=4, first=first)  # trained on: numbers 0 to 11
    assert load_data(replace(config, dev=str(dev))).counts["data/dev_examples_in_train"] == shared
    assert (f"{shared} of 4 examples overlap with the training data" in caplog.text) == (shared > 0)


def test_development_data_in_another_language_is_rejected(config: FinetuneConfig, tmp_path: Path) -> None:
    german = write_squad(tmp_path / "dev-context-de-question-de.json")
    with pytest.raises(InputError, match="language is 'en', but according to the file name the contexts are de"):
        load_data(replace(config, dev=str(german)))


@pytest.mark.parametrize("field", ["train", "dev"])
@pytest.mark.parametrize("task", ["mrc", "ner"])
def test_paths_that_match_no_files_are_rejected(
    config: FinetuneConfig, tmp_path: Path, field: str, task: Literal["mrc", "ner"]
) -> None:
    write = write_squad if task == "mrc" else write_conll
    there = str(write(tmp_path / "there.data"))
    given = replace(config, task=task, train=there, dev=there)
    both: list[str | HubSplit] = [there, f"{tmp_path}/*.jsn"]
    with pytest.raises(InputError, match=rf"--{field}: .*/\*\.jsn matches no files"):
        load_data(replace(given, train=both) if field == "train" else replace(given, dev=both))


@pytest.mark.parametrize("field", ["train", "dev"])
def test_missing_files_are_reported_without_reading(config: FinetuneConfig, tmp_path: Path, field: str) -> None:
    (tmp_path / "there.json").write_text("not read")
    there = replace(config, train=[str(tmp_path), HubSplit("squad", "train")], dev=f"{tmp_path}/*.json")
    check_sources(there)
    absent = {field: f"{tmp_path}/absent.json"}
    with pytest.raises(InputError, match=rf"--{field} .*/absent\.json: not found"):
        check_sources(replace(there, **absent))  # type: ignore[arg-type]


def test_tagged_sentences(config: FinetuneConfig, tmp_path: Path) -> None:
    train, dev = write_conll(tmp_path / "train.conll"), write_conll(tmp_path / "dev.conll", sentences=3)
    tagged = replace(config, task="ner", train=str(train), dev=str(dev), examples=5, dev_examples=2)
    data = load_data(tagged)
    assert (len(data.train), len(data.dev)) == (5, 2)
    assert data.counts["data/repaired_tags"] == 0
    with pytest.raises(InputError, match="'LOC' is not among PER"):
        load_data(replace(tagged, ner=NerConfig(types=["PER"])))
