import dataclasses
import json
from itertools import pairwise
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lossy_tokenizers import lossy_tokenizer
from tiny import TEXTS, write_encoder
from transformers import PreTrainedTokenizerBase

from clism_core.model.tokenizer import QUE, TextTokenizer, load_tokenizer
from clism_core.tasks.mrc.config import MrcConfig, mrc_problems
from clism_core.tasks.mrc.squad_format import Answer, Question
from clism_core.tasks.mrc.windows import (
    TRAINING_SCHEMA,
    QuestionEncoder,
    covering_span,
    cut_passage,
)
from clism_core.utils.errors import InputError

KINDS = ["xlmr", "bert", "xlm"]
SMALL = MrcConfig(max_length=60, stride=12, max_question_length=16)


@pytest.fixture(scope="module", params=KINDS)
def tokenizer(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> PreTrainedTokenizerBase:
    return load_tokenizer(str(write_encoder(request.param, tmp_path_factory.mktemp(request.param))))


@pytest.fixture(scope="module")
def xlmr(tmp_path_factory: pytest.TempPathFactory) -> PreTrainedTokenizerBase:
    return load_tokenizer(str(write_encoder("xlmr", tmp_path_factory.mktemp("xlmr"))))


def ask(context: str, *answers: str, question: str = "Where?") -> Question:
    found = tuple(Answer(answer, context.index(answer)) for answer in answers)
    return Question("q1", question, context, found)


def answered(encoder: QuestionEncoder, question: Question) -> list[str]:
    """Return the text that each row's answer tokens cover."""
    windows = {tuple(window.input_ids): window for window in encoder(question.question, question.context).windows}
    texts = []
    for row in encoder.encode_example(question)[0]:
        window = windows[tuple(row["input_ids"])]
        start, _ = window.offsets[row["answer_start"] - row["passage_start"]]
        _, end = window.offsets[row["answer_end"] - row["passage_start"]]
        texts.append(question.context[start:end])
    return texts


@given(n_tokens=st.integers(0, 300), stride=st.integers(0, 20), more=st.integers(1, 40))
def test_windows_cover_a_passage_and_share_the_stride(n_tokens: int, stride: int, more: int) -> None:
    room = stride + more
    windows = cut_passage(n_tokens, room=room, stride=stride)
    assert {place for window in windows for place in window} == set(range(n_tokens))
    assert all(0 < len(window) <= room for window in windows)
    assert all(len(window) == room for window in windows[:-1])
    assert all(left.stop - right.start == stride for left, right in pairwise(windows))
    assert all(right.stop > left.stop for left, right in pairwise(windows))


@given(
    max_length=st.integers(30, 100),
    stride=st.integers(0, 30),
    question_words=st.integers(0, 30),
    context_words=st.integers(0, 60),
    use_que=st.booleans(),
)
@settings(max_examples=60, deadline=None)
def test_inputs_contain_the_question_and_the_whole_passage(
    xlmr: PreTrainedTokenizerBase,
    max_length: int,
    stride: int,
    question_words: int,
    context_words: int,
    use_que: bool,
) -> None:
    config = MrcConfig(use_que, max_length, stride, max_question_length=8)
    if list(mrc_problems(config)):
        return
    question, context = " ".join(["who"] * question_words), " ".join(["Mary", "Smith"] * context_words)
    question_ids = TextTokenizer(xlmr)(question).ids
    windows, cut = QuestionEncoder(xlmr, config)(question, context)
    assert cut == (len(question_ids) > 8)
    left = [0, *question_ids[:8], *([xlmr.get_vocab()[QUE]] if use_que else []), 2, 2]
    passage: list[int] = []
    for number, window in enumerate(windows):
        assert len(window.input_ids) <= max_length
        assert window.input_ids[: window.passage_start] == left
        assert window.input_ids[window.passage_stop :] == [2]
        passage += window.input_ids[window.passage_start : window.passage_stop][stride if number else 0 :]
    assert passage == TextTokenizer(xlmr)(context).ids


def test_que_stands_right_after_the_question(tokenizer: PreTrainedTokenizerBase) -> None:
    encoder = QuestionEncoder(tokenizer, SMALL)
    (window,) = encoder("born in", "Mary").windows
    question_ids = TextTokenizer(tokenizer)("born in").ids
    first, middle, last = encoder.template.parts
    passage_ids = TextTokenizer(tokenizer)("Mary").ids
    assert window.input_ids == [*first, *question_ids, encoder.que_id, *middle, *passage_ids, *last]
    assert window.input_ids[window.que_position] == tokenizer.get_vocab()[QUE]
    assert window.que_position == len(first) + len(question_ids)


def test_inputs_without_que_equal_the_tokenizers_pair(tokenizer: PreTrainedTokenizerBase) -> None:
    (window,) = QuestionEncoder(tokenizer, dataclasses.replace(SMALL, use_que=False))("born in", "Mary").windows
    assert window.input_ids == tokenizer("born in", "Mary")["input_ids"]
    assert window.que_position == 0


def test_literal_special_tokens_stay_text(tokenizer: PreTrainedTokenizerBase) -> None:
    context = "Mary [QUE] in </s> [SEP] <mask> Paris"
    encoder = QuestionEncoder(tokenizer, MrcConfig())
    (window,) = encoder("Where is [QUE] or </s>?", context).windows
    template = [number for part in encoder.template.parts for number in part]
    special = set(tokenizer.all_special_ids) - {tokenizer.unk_token_id}
    assert [number for number in window.input_ids if number in special] == [
        *encoder.template.parts[0],
        encoder.que_id,
        *template[len(encoder.template.parts[0]) :],
    ]
    assert answered(encoder, ask(context, "[QUE]")) == ["[QUE]"]
    assert answered(encoder, ask(context, "</s>")) == ["</s>"]


@pytest.mark.parametrize(
    ("context", "answer"),
    [
        pytest.param(TEXTS[0], "Paris", id="en"),
        pytest.param(TEXTS[0], "Berlin", id="en before a full stop"),
        pytest.param(TEXTS[2], "ماري سميث", id="ar"),
        pytest.param(TEXTS[3], "मैरी स्मिथ", id="hi"),
        pytest.param(TEXTS[3], "बर्लिन", id="hi ending in a mark"),
        pytest.param("ab 😀 Paris 👩‍👩‍👧 c", "Paris", id="between emoji"),
    ],
)
def test_word_answers_round_trip(tokenizer: PreTrainedTokenizerBase, context: str, answer: str) -> None:
    encoder = QuestionEncoder(tokenizer, MrcConfig())
    assert answered(encoder, ask(context, answer)) == [answer]
    assert encoder.encode_example(ask(context, answer))[1]["widened_answers"] == 0


@pytest.mark.parametrize(
    ("context", "answer"),
    [
        pytest.param(TEXTS[4], "巴黎", id="zh"),
        pytest.param(TEXTS[5], "パリ", id="ja"),
        pytest.param(TEXTS[6], "ปารีส", id="th"),
        pytest.param(TEXTS[0], "orn in Pari", id="parts of words"),
    ],
)
def test_answers_in_scripts_without_spaces_are_covered_by_the_fewest_tokens(
    tokenizer: PreTrainedTokenizerBase, context: str, answer: str
) -> None:
    encoder = QuestionEncoder(tokenizer, MrcConfig())
    (row,), noticed = encoder.encode_example(ask(context, answer))
    (window,) = encoder("Where?", context).windows
    place = context.index(answer)
    touching = [
        number
        for number, (left, right) in enumerate(window.offsets, start=window.passage_start)
        if any(left <= character < right for character in range(place, place + len(answer)))
    ]
    assert (row["answer_start"], row["answer_end"]) == (touching[0], touching[-1])
    (text,) = answered(encoder, ask(context, answer))
    assert answer in text
    assert noticed["widened_answers"] == int(text != answer)


@pytest.mark.parametrize(
    ("kind", "context", "answer", "whole"),
    [
        pytest.param("bytes-of-words", "Mary lives in Paris.", "Paris", "Paris", id="space-added"),
        pytest.param("bytes-of-words", "Mary, in 1984.", "1984", "1984", id="digits"),
        pytest.param("bytes", "in 👩‍🔬 Paris", "👩", "👩‍🔬", id="part-of-an-emoji"),
        pytest.param("sentencepiece", "the cafe\u0301 in Paris", "cafe\u0301", "cafe\u0301", id="composed"),
        pytest.param("sentencepiece", "the cafe\u0301 in Paris", "cafe", "cafe\u0301", id="part-of-a-character"),
        pytest.param("accents-stripped", TEXTS[3], "में", "में", id="vowel-signs"),
        pytest.param("no-unknown", "in Þaris", "Þaris", "Þaris", id="letter-without-token"),
    ],
)
def test_answers_are_whole_characters(kind: str, context: str, answer: str, whole: str) -> None:
    encoder = QuestionEncoder(lossy_tokenizer(kind), MrcConfig())
    assert answered(encoder, ask(context, answer)) == [whole]
    assert encoder.encode_example(ask(context, answer))[1]["widened_answers"] == int(answer != whole)


def test_words_are_separated_from_punctuation_without_offsets(tmp_path: Path) -> None:
    encoder = QuestionEncoder(load_tokenizer(str(write_encoder("xlm", tmp_path))), MrcConfig())
    context = '(Mary) was "born, in" Paris-Berlin... 19.5'
    (window,) = encoder("Where?", context).windows
    words = sorted(set(window.offsets))
    assert [context[start:end] for start, end in words] == [
        *("(", "Mary", ")", "was", '"', "born", ",", "in", '"', "Paris-Berlin", "...", "19.5")
    ]


@pytest.mark.parametrize(
    ("offsets", "start", "end", "expected"),
    [
        pytest.param([(0, 3), (4, 7), (7, 8)], 4, 7, (1, 2), id="exact"),
        pytest.param([(0, 3), (4, 8)], 4, 7, (1, 2), id="a token reaches over the end"),
        pytest.param([(0, 5), (5, 8)], 4, 8, (0, 2), id="a token reaches over the start"),
        pytest.param([(0, 9)], 4, 6, (0, 1), id="inside one token"),
        pytest.param([(0, 3), (4, 4), (4, 6), (6, 6)], 4, 6, (2, 3), id="tokens without characters are not edges"),
        pytest.param([(0, 2), (3, 4), (3, 4), (5, 6)], 3, 4, (1, 3), id="several tokens of one character"),
        pytest.param([(0, 2), (5, 6)], 3, 4, None, id="characters without a token"),
    ],
)
def test_covering_span(offsets: list[tuple[int, int]], start: int, end: int, expected: tuple[int, int] | None) -> None:
    assert covering_span(offsets, start, end) == expected


def test_white_space_around_an_answer_is_ignored(xlmr: PreTrainedTokenizerBase) -> None:
    encoder = QuestionEncoder(xlmr, MrcConfig())
    question = ask("born in Paris in 1984", " Paris ")
    assert answered(encoder, question) == ["Paris"]
    assert encoder.encode_example(question)[1]["widened_answers"] == 0


def test_rows_are_the_windows_that_contain_the_whole_answer(tokenizer: PreTrainedTokenizerBase) -> None:
    context = "born in Berlin and lives " * 24 + "in Paris"
    encoder = QuestionEncoder(tokenizer, SMALL)
    windows = encoder("Where?", context).windows
    (row,) = encoder.encode_example(ask(context, "Paris"))[0]
    assert len(windows) > 2
    assert row["input_ids"] == windows[-1].input_ids
    assert answered(encoder, ask(context, "Paris")) == ["Paris"]
    place = windows[1].offsets[2][0]  # shared by the first two windows, if the stride is 12
    start, end = next((left, right) for left, right in windows[1].offsets if left >= place and left < right)
    shared = Question("q", "Where?", context, (Answer(context[start:end], start),))
    assert [row["input_ids"] for row in encoder.encode_example(shared)[0]] == [w.input_ids for w in windows[:2]]


def test_rows_have_the_columns_of_the_schema(tokenizer: PreTrainedTokenizerBase) -> None:
    encoder = QuestionEncoder(tokenizer, SMALL)
    rows = encoder.encode_example(ask("Mary lives in Paris", "Paris"))[0]
    assert pa.Table.from_pylist(rows, schema=TRAINING_SCHEMA).to_pylist() == rows
    assert [set(row) for row in rows] == [set(TRAINING_SCHEMA.names)]
    assert rows[0]["length"] == len(rows[0]["input_ids"])


@pytest.mark.parametrize(
    ("answers", "expected", "left_out"),
    [
        pytest.param([("Paris", 0)], [], 1, id="misplaced"),
        pytest.param([("Paris", 0), ("Paris", 14)], ["Paris"], 0, id="the first that stands at its offset"),
        pytest.param([("lives in Paris", 5), ("Mary", 0)], ["lives in Paris"], 0, id="the first of two"),
        pytest.param([(" ", 4)], [], 1, id="white space"),
        pytest.param([], [], 1, id="none"),
    ],
)
def test_the_first_usable_answer_is_used(
    tokenizer: PreTrainedTokenizerBase, answers: list[tuple[str, int]], expected: list[str], left_out: int
) -> None:
    encoder = QuestionEncoder(tokenizer, MrcConfig())
    question = Question("q", "Where?", "Mary lives in Paris", tuple(Answer(*answer) for answer in answers))
    assert answered(encoder, question) == expected
    assert encoder.encode_example(question)[1]["left_out_questions"] == left_out


def test_an_answer_that_fits_no_window_is_skipped_for_the_next(xlmr: PreTrainedTokenizerBase) -> None:
    context = "Mary lives in Paris " * 20
    question = Question("q", "Where?", context, (Answer(context.strip(), 0), Answer("Paris", 14)))
    encoder = QuestionEncoder(xlmr, SMALL)
    assert answered(encoder, question) == ["Paris"]
    whole = dataclasses.replace(question, answers=question.answers[:1])
    assert encoder.encode_example(whole) == (
        [],
        {"cut_questions": 0, "widened_answers": 0, "left_out_questions": 1},
    )


def test_long_questions_are_truncated_and_counted(tokenizer: PreTrainedTokenizerBase) -> None:
    encoder = QuestionEncoder(tokenizer, SMALL)
    question = ask("Mary lives in Paris", "Paris", question="where was she born " * 9)
    (window,) = encoder(question.question, question.context).windows
    ids = TextTokenizer(tokenizer)(question.question).ids
    at = len(encoder.template.parts[0])
    assert window.input_ids[at : window.que_position] == ids[:16]
    assert encoder.encode_example(question)[1]["cut_questions"] == 1
    assert encoder.encode_example(ask("Mary lives in Paris", "Paris"))[1]["cut_questions"] == 0


def test_threads_may_share_an_encoder(xlmr: PreTrainedTokenizerBase) -> None:
    encoder = QuestionEncoder(xlmr, SMALL)

    class Interrupted(str):
        """Has another thread ask about another passage while it is compared with the last one."""

        __slots__ = ()
        __hash__ = str.__hash__

        def __eq__(self, other: object) -> bool:
            encoder("Where?", "Berlin")
            return str(self) == other

        def __ne__(self, other: object) -> bool:
            return not self == other

    (expected,) = encoder("Where?", "Paris").windows
    assert encoder("Where?", Interrupted("Paris")).windows == [expected]


def test_an_encoder_does_not_copy_the_vocabulary(
    tokenizer: PreTrainedTokenizerBase, monkeypatch: pytest.MonkeyPatch
) -> None:
    que_id = tokenizer.get_vocab()[QUE]
    monkeypatch.delattr(type(tokenizer), "get_vocab")  # 0.4 s for XLM-R's, and a server makes encoders all the time
    assert QuestionEncoder(tokenizer, SMALL).que_id == que_id


def test_a_passage_without_tokens_has_no_windows(tokenizer: PreTrainedTokenizerBase) -> None:
    assert QuestionEncoder(tokenizer, SMALL)("Where?", "").windows == []


def test_a_passage_of_white_space_has_no_answer_tokens(tokenizer: PreTrainedTokenizerBase) -> None:
    windows = QuestionEncoder(tokenizer, SMALL)("Where?", "  \n").windows
    assert [pair for window in windows for pair in window.offsets if pair[0] < pair[1]] == []


@pytest.mark.parametrize(
    ("values", "named"),
    [
        pytest.param({}, [], id="default"),
        pytest.param({"max_length": 64 + 1 + 4 + 128 + 1}, [], id="just enough"),
        pytest.param({"max_length": 64 + 1 + 4 + 128}, ["--mrc.max_length 197", "198"], id="no way forward"),
        pytest.param({"max_length": 64 + 4 + 128 + 1, "use_que": False}, [], id="without QUE a token less"),
    ],
)
def test_problems_name_their_field(values: dict[str, int], named: list[str]) -> None:
    problems = list(mrc_problems(dataclasses.replace(MrcConfig(), **values)))  # type: ignore[arg-type]
    assert len(problems) == bool(named)
    assert all(name in json.dumps(problems) for name in named)


def test_an_encoder_whose_windows_cannot_advance_is_rejected(xlmr: PreTrainedTokenizerBase) -> None:
    with pytest.raises(InputError, match=r"--mrc\.max_length 20.*give at least 34"):
        QuestionEncoder(xlmr, MrcConfig(max_length=20, stride=12, max_question_length=16))


@pytest.mark.parametrize("field", ["stride", "max_question_length", "max_answer_length"])
def test_an_encoder_with_a_length_out_of_bounds_is_rejected(xlmr: PreTrainedTokenizerBase, field: str) -> None:
    config: MrcConfig = dataclasses.replace(MrcConfig(), **{field: -1})  # type: ignore[arg-type]
    with pytest.raises(InputError, match=f"--{field} -1: must be at least"):
        QuestionEncoder(xlmr, config)
