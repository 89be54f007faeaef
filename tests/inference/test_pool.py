from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import torch
from tiny import write_encoder

from clism_core.evaluation.retrieval_data import Pair, PairSet
from clism_core.inference.actor import OUTPUTS_SCHEMA, Answerer, Embedder
from clism_core.inference.pool import RECORDS_PER_BLOCK, collect, find_pool, record_blocks
from clism_core.model.encoder import load_encoder
from clism_core.model.tokenizer import TextTokenizer, load_tokenizer
from clism_core.pretraining.model import PretrainingModel
from clism_core.tasks.mrc.config import MrcConfig
from clism_core.tasks.mrc.model import MrcModel
from clism_core.tasks.mrc.squad_format import Answer, Question
from clism_core.tasks.mrc.test_data import QuestionSet
from clism_core.tasks.ner.config import NerConfig
from clism_core.tasks.ner.conll_format import Sentence
from clism_core.tasks.ner.model import NerModel
from clism_core.tasks.ner.test_data import TaggedSet


def questions(language: str, number: int) -> QuestionSet:
    examples = tuple(Question(f"q{n}", f"Where is {n}?", f"It is {n}.", (Answer("It", 0),)) for n in range(number))
    return QuestionSet("xquad", language, "squad-1.1", examples)


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_encoder("xlmr", tmp_path_factory.mktemp("encoder"))


def test_blocks_contain_all_records_in_order() -> None:
    blocks = list(record_blocks(questions("ar", RECORDS_PER_BLOCK + 1)))
    assert [block.num_rows for block in blocks] == [RECORDS_PER_BLOCK, 1]
    assert blocks[1].to_pylist() == [
        {
            "dataset": "xquad",
            "language": "ar",
            "number": 64,
            "kind": "mrc",
            "record": '{"question": "Where is 64?", "context": "It is 64."}',
        }
    ]


def test_records_are_encoded_without_escapes() -> None:
    question = Question("q", "أين", "باريس", (Answer("باريس", 0),))
    (block,) = record_blocks(QuestionSet("xquad", "ar", "squad-1.1", (question,)))
    assert block["record"].to_pylist() == ['{"question": "أين", "context": "باريس"}']


def outputs(language: str, numbers: range) -> pa.Table:
    return pa.Table.from_pylist(
        [{"dataset": "xquad", "language": language, "number": n, "output": f'"{n}"'} for n in numbers], OUTPUTS_SCHEMA
    )


def test_a_test_set_is_yielded_when_complete_in_record_order() -> None:
    taken: list[str] = []

    def batches() -> Iterator[pa.Table]:
        for language, numbers in (("ar", range(2, 4)), ("de", range(2)), ("ar", range(2))):
            taken.append(language)
            yield outputs(language, numbers)

    found = collect([questions("ar", 4), questions("de", 2)], batches())
    test_set, answers = next(found)
    assert (test_set.language, answers) == ("de", ["0", "1"])
    assert taken == ["ar", "de"]  # and the rest is still to come
    test_set, answers = next(found)
    assert (test_set.language, answers) == ("ar", ["0", "1", "2", "3"])
    assert next(found, None) is None


@pytest.mark.parametrize(
    ("nodes", "wanted", "use_gpu", "workers", "gpus"),
    [
        pytest.param([{"CPU": 4, "memory": 100}], None, None, 4, 0, id="cpus"),
        pytest.param(
            [{"CPU": 4, "memory": 50}, {"CPU": 2, "memory": 100}], None, None, 4, 0, id="memory-for-two-of-four"
        ),
        pytest.param([{"CPU": 1, "memory": 1}], None, None, 1, 0, id="one-at-least"),
        pytest.param([{"CPU": 8, "memory": 100}, {"CPU": 32, "GPU": 8, "memory": 100}], None, None, 8, 1, id="gpus"),
        pytest.param([{"CPU": 8, "memory": 100}], 3, None, 3, 0, id="wanted"),
        pytest.param([{"CPU": 32, "GPU": 8, "memory": 100}], 2, None, 2, 1, id="fewer-gpus-wanted"),
        pytest.param([{"CPU": 8, "memory": 100}], None, True, 1, 1, id="gpus-that-are-yet-to-come"),
        pytest.param([{"CPU": 8, "memory": 100}], 16, True, 16, 1, id="so-many-of-them"),
        pytest.param([{"CPU": 3, "GPU": 8, "memory": 100}], None, False, 3, 0, id="cpus-though-there-are-gpus"),
    ],
)
def test_number_of_workers(
    nodes: list[dict[str, float]], wanted: int | None, use_gpu: bool | None, workers: int, gpus: int
) -> None:
    pool = find_pool(nodes, model_size=10, wanted=wanted, use_gpu=use_gpu)  # 20 of memory for a worker
    assert pool == (workers, gpus)


def test_answers_of_a_model(encoder: Path, tmp_path: Path) -> None:
    MrcModel.begin(str(encoder), MrcConfig(max_length=64, stride=8, max_question_length=16), seed=0).save(tmp_path)
    (block,) = record_blocks(questions("ar", 3))
    rows = Answerer(str(tmp_path), batch_size=2)(block)
    assert rows.schema == OUTPUTS_SCHEMA
    ((_, answers),) = collect([questions("ar", 3)], [rows])
    assert all(answer and answer in f"It is {number}." for number, answer in enumerate(answers))


def test_truncated_questions_are_logged_once(encoder: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    MrcModel.begin(str(encoder), MrcConfig(max_length=64, stride=8, max_question_length=16), seed=0).save(tmp_path)
    long = Question("long", "Where was she born " * 20, "In Paris.", (Answer("Paris", 3),))
    spanish = questions("es", 3)
    mixed = QuestionSet("xquad", "ar", "squad-1.1", (*[long] * RECORDS_PER_BLOCK, *spanish.examples, long))
    blocks = [*record_blocks(mixed), *record_blocks(spanish)]
    answerer = Answerer(str(tmp_path), batch_size=16)
    found = collect([mixed, spanish], map(answerer, blocks))
    assert {test_set.language: len(answers) for test_set, answers in found} == {"ar": 68, "es": 3}
    assert [record.getMessage() for record in caplog.records if record.name.startswith("clism_core.inference")] == [
        "xquad/ar: 65 of 68 questions exceed the model's max_question_length and are truncated"
    ]


def test_tags_of_a_model(encoder: Path, tmp_path: Path) -> None:
    NerModel.begin(str(encoder), NerConfig(max_length=64, stride=8), seed=0).save(tmp_path)
    test_set = TaggedSet("conll", "en", (Sentence(("Mary", "left"), ("B-PER", "O")), Sentence(("so",), ("O",))))
    (block,) = record_blocks(test_set)
    ((_, tags),) = collect([test_set], [Answerer(str(tmp_path), batch_size=2)(block)])
    assert [len(each) for each in tags] == [2, 1]


@pytest.mark.parametrize("kind", ["encoder", "pre-trained", "task"])
def test_sentence_vectors_are_means_of_their_own_tokens(encoder: Path, tmp_path: Path, kind: str) -> None:
    if kind == "pre-trained":
        PretrainingModel(load_encoder(str(encoder), seed=0), seed=0).save(tmp_path)
    elif kind == "task":
        NerModel.begin(str(encoder), NerConfig(), seed=0).save(tmp_path)
    folder = str(encoder if kind == "encoder" else tmp_path)
    sentences = ["Mary Smith lives in Berlin and in Paris.", "Paris"]
    found, cut = Embedder(folder, batch_size=2)(sentences)
    assert cut == [False, False]
    loaded = load_encoder(folder, seed=0)
    tokens = TextTokenizer(load_tokenizer(folder))
    for sentence, vector in zip(sentences, found, strict=True):
        ids = [0, *tokens(sentence).ids, 2]  # <s> and </s>
        with torch.no_grad():
            states = loaded.encoder.eval()(input_ids=torch.tensor([ids])).last_hidden_state[0, 1:-1]
        np.testing.assert_allclose(vector, states.mean(dim=0).numpy(), atol=1e-5)


def test_truncated_sentences_are_logged(encoder: Path, caplog: pytest.LogCaptureFixture) -> None:
    test_set = PairSet("flores", "en-de", (Pair("Mary", "Berlin " * 200), Pair("Paris", "1984")))
    answerer = Answerer(str(encoder), batch_size=8)
    ((_, vectors),) = collect([test_set], map(answerer, record_blocks(test_set)))
    assert len(vectors) == 4
    assert "flores/en-de: 1 of 4 sentences exceed" in caplog.text


def test_vectors_are_transferred_exactly(encoder: Path) -> None:
    test_set = PairSet("flores", "en-de", (Pair("Mary", "Berlin"), Pair("Paris", "1984")))
    (block,) = record_blocks(test_set)
    ((_, vectors),) = collect([test_set], [Answerer(str(encoder), batch_size=8)(block)])
    expected, _ = Embedder(str(encoder), batch_size=8)(["Mary", "Paris", "Berlin", "1984"])
    np.testing.assert_array_equal(np.stack(vectors), np.stack(expected))
