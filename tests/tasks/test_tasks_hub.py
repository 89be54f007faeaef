import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pickled import pickled_column

from clism_core.tasks.hub import HubSplit
from clism_core.tasks.mrc.squad_format import Answer, Question, read_hub_questions
from clism_core.tasks.ner.conll_format import Sentence, TaggedFile, read_hub_tagged
from clism_core.utils.errors import InputError

CONVERTED = "refs/convert/parquet"
NAMES = ["O", "B-PER", "I-PER"]


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep what `datasets` stores out of the user's home."""
    import datasets

    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", str(tmp_path / "cache"))


def row(name: str = "q1", **fields: Any) -> dict[str, Any]:
    answers = {"text": ["Rome"], "answer_start": [3]}
    return {"id": name, "question": "Where?", "context": "In Rome.", "answers": answers, **fields}


def data_set(folder: Path, rows: list[dict[str, Any]], *, split: str = "validation") -> HubSplit:
    """Return a split that lies in a folder laid out as a data set of the hub."""
    (folder / "data").mkdir(parents=True)
    pq.write_table(pa.Table.from_pylist(rows), folder / "data" / f"{split}-00000-of-00001.parquet")
    return HubSplit(str(folder), split)


def script(folder: Path) -> HubSplit:
    """Return a split of a data set that is a loading script."""
    folder.mkdir()
    (folder / f"{folder.name}.py").write_text("import datasets\n")
    return HubSplit(str(folder), "test")


def test_questions(tmp_path: Path) -> None:
    data = data_set(tmp_path / "xquad", [row("b", title="Italy"), row("a", title=None)])
    assert read_hub_questions(data, language="ar") == [
        Question("b", "Where?", "In Rome.", (Answer("Rome", 3),), "Italy", "ar", "ar"),
        Question("a", "Where?", "In Rome.", (Answer("Rome", 3),), None, "ar", "ar"),
    ]


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        pytest.param([row("a"), row("a")], "validation: duplicate id: row 2.id is 'a', as in row 1", id="duplicate-id"),
        pytest.param(
            [row("a"), row("b", answers={"text": [], "answer_start": []})],
            "validation: 1 of 2 questions are unanswerable",
            id="unanswerable",
        ),
        pytest.param(
            [row(answers={"text": ["Rome"], "answer_start": []})],
            "row 1: answers has 1 entries in text but 0 in answer_start",
            id="answers-of-two-lengths",
        ),
        pytest.param([row(question=None)], "row 1: question: Input should be a valid string", id="null"),
        pytest.param([{"id": "a", "text": "x"}], "no column 'question'; its columns are id, text", id="columns"),
    ],
)
def test_invalid_questions_are_rejected(tmp_path: Path, rows: list[dict[str, Any]], message: str) -> None:
    data = data_set(tmp_path / "set", rows)
    with pytest.raises(InputError, match=message) as raised:
        read_hub_questions(data)
    assert str(raised.value).startswith(data.title)


def test_training_questions_may_have_duplicate_ids(tmp_path: Path) -> None:
    assert len(read_hub_questions(data_set(tmp_path / "set", [row(), row()]), unique_ids=False)) == 2


def test_sentences_with_tags_as_text(tmp_path: Path) -> None:
    data = data_set(tmp_path / "ner", [{"words": ["Ann", "in", "Rome"], "labels": ["I-PER", "O", "I-LOC"]}])
    assert read_hub_tagged(data, tokens_column="words", tags_column="labels") == TaggedFile(
        sentences=(Sentence(("Ann", "in", "Rome"), ("B-PER", "O", "B-LOC")),), scheme="IOB1", repaired=0
    )


def named_tags(folder: Path, tags: list[list[int]]) -> HubSplit:
    """Return a split whose tags are numbers that the data set names."""
    import datasets

    kinds = {"tokens": datasets.Value("string"), "ner_tags": datasets.ClassLabel(names=NAMES)}
    features = datasets.Features({name: datasets.List(kind) for name, kind in kinds.items()})
    tokens = [["x"] * len(row) for row in tags]
    path = folder / "data" / "test-00000-of-00001.parquet"
    path.parent.mkdir(parents=True)
    pq.write_table(datasets.Dataset.from_dict({"tokens": tokens, "ner_tags": tags}, features=features).data.table, path)
    return HubSplit(str(folder), "test")


def test_sentences_with_tags_as_class_labels(tmp_path: Path) -> None:
    found = read_hub_tagged(named_tags(tmp_path / "ner", [[1, 2], [0]]))
    assert found.sentences == (Sentence(("x", "x"), ("B-PER", "I-PER")), Sentence(("x",), ("O",)))


def test_hidden_tags_are_rejected(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="tags are missing in column 'ner_tags', as in test sets"):
        read_hub_tagged(named_tags(tmp_path / "ner", [[-1, -1]]))


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        pytest.param([{"tokens": ["a"], "ner_tags": [1]}], "must be strings or class labels; down", id="numbers"),
        pytest.param([{"tokens": ["a", ""], "ner_tags": ["O", "O"]}], "row 1: a token is empty", id="empty-token"),
        pytest.param(
            [{"tokens": ["a", None], "ner_tags": ["O", "O"]}], "row 1: a token is empty, null", id="null-token"
        ),
        pytest.param([{"tokens": [1, 2], "ner_tags": ["O", "O"]}], "row 1: a token is .* no text", id="number"),
        pytest.param([{"tokens": ["a", "b"], "ner_tags": ["O", None]}], "row 1: a tag is null", id="null-tag"),
        pytest.param([{"tokens": ["a"], "ner_tags": None}, {"ner_tags": ["O"]}], "1 tokens and 0 tags", id="null"),
        pytest.param([{"tokens": ["a", "b"], "ner_tags": ["O"]}], "row 1: 2 tokens and 1 tags", id="lengths"),
        pytest.param([{"tokens": ["a"], "ner_tags": ["X"]}], "row 1: 'X' is not a valid tag", id="no-tag"),
        pytest.param([{"tokens": ["a"], "ner_tags": ["B-GPE"]}], "row 1: type 'GPE' is not among PER", id="type"),
    ],
)
def test_invalid_sentences_are_rejected(tmp_path: Path, rows: list[dict[str, Any]], message: str) -> None:
    with pytest.raises(InputError, match=message):
        read_hub_tagged(data_set(tmp_path / "set", rows), types=["PER"])


@pytest.mark.parametrize(
    ("read", "name", "message"),
    [
        pytest.param(
            read_hub_questions,
            "mlqa",
            r"mlqa/test is a loading script.* \(those in MLQA_V1\.zip\), or give rev",
            id="mlqa",
        ),
        pytest.param(
            read_hub_tagged, "conll2003", r"loading script.* \(eng\.train, eng\.testa and eng\.testb\)", id="conll2003"
        ),
        pytest.param(
            read_hub_questions, "other", f"download the official files, or give revision: {CONVERTED}", id="other"
        ),
    ],
)
def test_loading_scripts_are_rejected(
    tmp_path: Path, read: Callable[[HubSplit], object], name: str, message: str
) -> None:
    with pytest.raises(InputError, match=message):
        read(script(tmp_path / name))


def test_other_formats_are_unsupported(tmp_path: Path) -> None:
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "train.jsonl").write_text('{"id": "a"}\n')
    with pytest.raises(
        InputError, match="set/train: unsupported format: its files are json, not Parquet; download the official files"
    ):
        read_hub_questions(HubSplit(str(tmp_path / "set"), "train"))


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        pytest.param({"split": "dev"}, "split 'dev' not found; the data set has validation", id="split"),
        pytest.param({"subset": "ar"}, "set/ar/validation cannot be read from the hub: .*'ar' not found", id="subset"),
        pytest.param({"revision": CONVERTED}, "has one folder per subset; give subset", id="converted"),
    ],
)
def test_invalid_fields_are_rejected(tmp_path: Path, fields: dict[str, Any], message: str) -> None:
    data = data_set(tmp_path / "set", [row()])
    with pytest.raises(InputError, match=message):
        read_hub_questions(HubSplit(**({"name": data.name, "split": data.split} | fields)))


def test_the_hubs_conversion_has_a_folder_per_subset(tmp_path: Path) -> None:
    for subset in ("mlqa.ar.ar", "mlqa.ar.de"):
        folder = tmp_path / "mlqa" / subset / "test"
        folder.mkdir(parents=True)
        pq.write_table(pa.Table.from_pylist([row(subset)]), folder / "0000.parquet")
    data = HubSplit(str(tmp_path / "mlqa"), "test", subset="mlqa.ar.de", revision=CONVERTED)
    assert [found.id for found in read_hub_questions(data)] == ["mlqa.ar.de"]


def test_a_missing_datasets_library_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(InputError, match=r"pip install -e '\.\[hub\]'"):
        read_hub_questions(HubSplit("google/xquad", "validation"))


def test_an_unreachable_hub_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    class HttpError(Exception):
        """As the HTTP client's own errors: of no class that says anything."""

    def fail(*_: Any, **__: Any) -> None:
        raise HttpError("name or service not known")

    monkeypatch.setattr("datasets.load_dataset_builder", fail)
    with pytest.raises(InputError, match=r"google/xquad/xquad\.ar/validation cannot be read from the hub"):
        read_hub_questions(HubSplit("google/xquad", "validation", subset="xquad.ar"))


@pytest.mark.parametrize("features", [{}, {"title": {"dtype": "large_binary", "_type": "Value"}}], ids=["", "declared"])
def test_columns_of_pickles_are_not_unpickled(tmp_path: Path, features: dict[str, Any]) -> None:
    data = data_set(tmp_path / "set", [row()])
    (file,) = (tmp_path / "set" / "data").iterdir()
    table = pq.read_table(file).append_column("title", pickled_column(tmp_path / "touched"))
    if features:
        from datasets import Features

        known = Features.from_arrow_schema(pq.read_schema(file)).to_dict()
        metadata = {"huggingface": json.dumps({"info": {"features": {**known, **features}}})}
        table = table.replace_schema_metadata(metadata)
    pq.write_table(table, file)
    with pytest.raises(InputError):
        read_hub_questions(data)
    assert not (tmp_path / "touched").exists()
