import json
import re
from pathlib import Path

import pytest
import yaml

from clism_core.evaluation.config import EvaluateConfig, check_config
from clism_core.evaluation.datasets import averaged, language_in_name, read_test_sets
from clism_core.tasks.hub import HubSplit
from clism_core.tasks.mrc.config import MrcConfig
from clism_core.tasks.ner.config import NerConfig
from clism_core.tasks.saved_task import TaskConfig
from clism_core.tasks.test_data import TestSetConfig, digest, title
from clism_core.utils.errors import InputError

CONTEXT = "Mary was born in Paris."
DATA_PAGE = (Path(__file__).parents[2] / "docs" / "data.md").read_text()
OFFICIAL = [yaml.safe_load(tests) for tests in re.findall(r"--tests '(\[.*?\])'", DATA_PAGE, re.DOTALL)]


def write_questions(path: Path, *, answer: str = "Paris", start: int = 17, ids: tuple[str, ...] = ("q1", "q2")) -> str:
    qas = [{"id": name, "question": "Where?", "answers": [{"text": answer, "answer_start": start}]} for name in ids]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"data": [{"title": "t", "paragraphs": [{"context": CONTEXT, "qas": qas}]}]}))
    return str(path)


def write(path: Path, text: str) -> str:
    path.write_text(text)
    return str(path)


@pytest.mark.parametrize(
    ("name", "language"),
    [
        pytest.param("a/test-context-ar-question-de.json", "ar-de", id="mlqa"),
        pytest.param("xquad.ar.json", "ar", id="before-the-ending"),
        pytest.param("flores.en-ar.tsv", "en-ar", id="pair"),
        pytest.param("xquad.hi.json.gz", "hi", id="compressed"),
        pytest.param("eng.testb", None, id="conll"),
        pytest.param("squad.dev.json", None, id="three-letters-may-be-a-split"),
        pytest.param("train-en.tsv", None, id="hyphen"),
    ],
)
def test_language_in_a_file_name(name: str, language: str | None) -> None:
    assert language_in_name(name, MrcConfig()) == language


def test_a_folder_of_mlqa_is_one_test_set_per_file(tmp_path: Path) -> None:
    for pair in ("ar-ar", "de-de", "ar-de"):
        context, question = pair.split("-")
        write_questions(tmp_path / f"test-context-{context}-question-{question}.json")
    sets = read_test_sets([TestSetConfig("mlqa", str(tmp_path))], MrcConfig())
    assert [title(each) for each in sets] == ["mlqa/ar", "mlqa/ar-de", "mlqa/de"]
    assert {each.scorer for each in sets} == {"mlqa-1.0"}
    assert [(name, [each.language for each in over]) for _, name, over in averaged(sets)] == [
        ("average", ["ar", "de"]),
        ("cross_average", ["ar-de"]),
    ]


def test_retrieval_is_averaged_over_pairs(tmp_path: Path) -> None:
    for language in ("ar", "de"):
        write(tmp_path / f"flores.en-{language}.tsv", "a\tb\n")
    sets = read_test_sets([TestSetConfig("flores", str(tmp_path), kind="retrieval")], None)
    assert [(name, [each.language for each in over]) for _, name, over in averaged(sets)] == [
        ("average", ["en-ar", "en-de"])
    ]


def test_misplaced_answers_are_kept_with_a_warning(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = write_questions(tmp_path / "x.en.json", start=3)
    (found,) = read_test_sets([TestSetConfig("xquad", path)], MrcConfig())
    assert len(found.examples) == 2
    assert "2 answers are not at their offset" in caplog.text


def test_a_test_set_without_entities_is_logged(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = write(tmp_path / "x", "Mary NNP O\n")
    read_test_sets([TestSetConfig("conll", path, language="en")], NerConfig())
    assert f"conll/en: {path} has no entities: all 1 sentences" in caplog.text
    assert "'Mary' in column 1 and 'O' in column 3" in caplog.text


def test_types_unknown_to_the_model_are_logged(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = write(tmp_path / "x", "Mary B-PER\nOscar B-MISC\n")
    read_test_sets([TestSetConfig("conll", path, language="en")], NerConfig(types=["PER"]))
    assert "does not predict MISC" in caplog.text


def test_the_digest_does_not_depend_on_the_scorer(tmp_path: Path) -> None:
    digests = []
    for number, (answer, scorer) in enumerate(
        [("Paris", None), ("Paris", None), ("Mary", None), ("Paris", "mlqa-1.0")]
    ):
        path = write_questions(tmp_path / str(number) / "x.en.json", answer=answer)
        (found,) = read_test_sets([TestSetConfig("xquad", path, scorer=scorer)], MrcConfig())  # type: ignore[arg-type]
        digests.append(digest(found))
    assert digests[0] == digests[1] == digests[3]
    assert digests[2] != digests[0]


@pytest.mark.parametrize(
    ("tests", "task", "message"),
    [
        pytest.param([{"path": "a.en.json"}] * 2, MrcConfig(), "d/en is both .*a.en.json and .*a.en.json", id="twice"),
        pytest.param([{"path": "a.json"}], MrcConfig(), r"--tests\[0\].language is missing", id="no-language"),
        pytest.param([{"path": "a.json", "language": "English"}], MrcConfig(), "is 'English'", id="no-code"),
        pytest.param([{"path": "*.json", "language": "en"}], MrcConfig(), "matches 2 files", id="one-for-several"),
        pytest.param([{"path": "*.xml"}], MrcConfig(), r"--tests\[0\].path .*\.xml: matches no files", id="empty-glob"),
        pytest.param([{"path": "nowhere.en.json"}], MrcConfig(), "cannot be read", id="no-file"),
        pytest.param(
            [{"dataset": "mlqa", "path": "a.json", "language": "nl"}],
            MrcConfig(),
            "mlqa/nl: language is unsupported by mlqa-1.0",
            id="mlqa",
        ),
        pytest.param([{"path": "a.en.json"}], None, "d/en: the model is an encoder without a task", id="encoder"),
        pytest.param(
            [{"path": "a.en.json", "language": "de", "scorer": "mlqa-1.0"}, {"path": "a.en.json"}],
            MrcConfig(),
            "d/de is scored by mlqa-1.0, d/en by squad-1.1",
            id="two-scorers",
        ),
        pytest.param(
            [{"path": "t.conll", "language": "en"}], NerConfig(types=["LOC"]), "entity types are PER", id="types"
        ),
        pytest.param(
            [{"path": "t.conll", "language": "en", "scorer": "squad-1.1"}],
            NerConfig(),
            "scorer is squad-1.1",
            id="scorer",
        ),
        pytest.param(
            [{"path": "three.en-de.tsv", "kind": "retrieval"}], None, "line 2: 3 tab-separated columns", id="columns"
        ),
        pytest.param(
            [{"path": "empty.en-de.tsv", "kind": "retrieval"}],
            None,
            "line 1: 2 tab-separated columns, 1 of them with text",
            id="no-text",
        ),
        pytest.param(
            [{"path": "none.en-de.tsv", "kind": "retrieval"}],
            None,
            "none.en-de.tsv has no lines",
            id="empty-file",
        ),
        pytest.param(
            [{"path": "cr.en-de.tsv", "kind": "retrieval"}], None, "line 2: a carriage return", id="mixed-line-ends"
        ),
    ],
)
def test_invalid_test_sets_are_rejected(
    tmp_path: Path, tests: list[dict[str, str]], task: TaskConfig | None, message: str
) -> None:
    write_questions(tmp_path / "a.json")
    write_questions(tmp_path / "a.en.json")
    write(tmp_path / "t.conll", "Mary B-PER\n")
    (tmp_path / "cr.en-de.tsv").write_bytes(b"a\tb\nc\td\re\tf\n")
    write(tmp_path / "three.en-de.tsv", "a\tb\na\tb\tc\n")
    write(tmp_path / "empty.en-de.tsv", "a\t \n")
    write(tmp_path / "none.en-de.tsv", "")
    configs = [
        TestSetConfig(**{"dataset": "d", **test, "path": str(tmp_path / test["path"])})  # type: ignore[arg-type]
        for test in tests
    ]
    with pytest.raises(InputError, match=message):
        read_test_sets(configs, task)


def test_all_problems_of_a_configuration_are_reported_together() -> None:
    tests = [
        TestSetConfig("comparison", "x"),
        TestSetConfig("a/b", "x"),
        TestSetConfig("f", HubSplit("x", "test"), kind="retrieval", scorer="squad-1.1"),
    ]
    with pytest.raises(InputError) as error:
        check_config(EvaluateConfig("m", tests, batch_size=0, workers=0, resamples=1))
    lines = str(error.value).split("\n")
    assert [line.split(":")[0].split(" '")[0] for line in lines] == [
        "--batch_size 0",
        "--workers 0",
        "--resamples 1",
        "--tests[0].dataset",
        "--tests[1].dataset",
        "--tests[2].scorer squad-1.1",
        "--tests[2].path",
    ]


@pytest.mark.parametrize(
    ("dataset", "task", "languages"),
    [
        pytest.param("mlqa", MrcConfig(), ["en", "ar", "de", "es", "hi", "vi"], id="mlqa"),
        pytest.param("xquad", MrcConfig(), ["en", "ar", "de", "es", "hi", "vi"], id="xquad"),
        pytest.param("tydiqa", MrcConfig(), ["en", "ar"], id="tydiqa"),
        pytest.param("conll", NerConfig(), ["en", "de", "es", "nl"], id="conll"),
        pytest.param("wikiann", NerConfig(), ["en", "de", "es", "nl", "hi", "ar"], id="wikiann"),
    ],
)
def test_official_files_are_read_as_the_docs_say(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, dataset: str, task: TaskConfig, languages: list[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    tests = next(tests for tests in OFFICIAL if tests[0]["dataset"] == dataset)
    for test in tests:
        path = Path(test["path"])
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(task, MrcConfig):
            write_questions(path)
        else:
            path.write_text("José B-PER\nviaja O\n", encoding=test.get("encoding", "utf-8"))
    found = read_test_sets([TestSetConfig(**test) for test in tests], task)
    assert [title(each) for each in found] == [f"{dataset}/{language}" for language in languages]
