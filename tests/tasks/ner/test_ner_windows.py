import pickle
import time
from itertools import accumulate
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from letter_tokenizer import CLS, QUE_ID, SEP, UNK, letter_ids, letter_tokenizer
from tiny import write_encoder
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import PreTrainedTokenizerFast

from clism_core.model.tokenizer import QUE, find_template, load_tokenizer
from clism_core.tasks.ner.config import NerConfig, ner_problems
from clism_core.tasks.ner.conll_format import Sentence
from clism_core.tasks.ner.windows import TRAINING_SCHEMA, SentenceEncoder, Window
from clism_core.utils.errors import InputError

TOKENIZER = letter_tokenizer()
VOCABULARY = {"<": 0, ">": 1, "?": 2, "a": 3, "b": 4, "Ġ": 5, "Ġa": 6, "ab": 7}


def encoder(*, max_length: int = 128, stride: int = 32, use_que: bool = True) -> SentenceEncoder:
    return SentenceEncoder(TOKENIZER, NerConfig(max_length=max_length, stride=stride, use_que=use_que))


@pytest.mark.parametrize(
    ("use_que", "end"), [pytest.param(True, [QUE_ID, SEP], id="que"), pytest.param(False, [SEP], id="no que")]
)
def test_que_follows_the_sentence(use_que: bool, end: list[int]) -> None:
    (window,) = encoder(use_que=use_que).windows(["in", "new", "york"])
    assert window == Window([CLS, *letter_ids("in new york"), *end], words=[0, 1, 2], positions=[1, 3, 6])


@pytest.mark.parametrize("kind", ["xlmr", "bert", "xlm"])
def test_que_is_in_the_template_of_every_tokenizer(kind: str, tmp_path: Path) -> None:
    tokenizer = load_tokenizer(str(write_encoder(kind, tmp_path)))
    (window,) = SentenceEncoder(tokenizer, NerConfig()).windows(["Mary", "[QUE]", "</s>", "Paris"])
    first, last = find_template(tokenizer, pair=False).parts
    que_id = tokenizer.get_vocab()[QUE]
    assert window.input_ids[: len(first)] == list(first)
    assert window.input_ids[-len(last) - 1 :] == [que_id, *last]
    inside = window.input_ids[len(first) : -len(last) - 1]
    assert not set(inside) & (set(tokenizer.all_special_ids) - {tokenizer.unk_token_id})  # literals stay text
    assert window.words == [0, 1, 2, 3]


def test_labels_are_at_first_sub_words_only() -> None:
    sentence = Sentence(("in", "new", "york", "x"), ("O", "B-LOC", "I-LOC", "B-PER"))
    (row,) = encoder().encode_example(sentence)[0]
    assert row["labels"] == [-100, 0, -100, 3, -100, -100, 4, -100, -100, -100, 1, -100, -100]
    assert row["length"] == len(row["input_ids"]) == 13
    assert pa.Table.from_pylist([row], schema=TRAINING_SCHEMA).to_pylist() == [row]


def test_a_tag_of_an_unknown_type_is_rejected() -> None:
    with pytest.raises(InputError, match="'B-DATE' is unknown to a model for PER, LOC, ORG, MISC"):
        encoder().encode_example(Sentence(("may",), ("B-DATE",)))[0]


def test_a_word_without_sub_words_becomes_the_unknown_token() -> None:
    (window,) = encoder().windows(["a", "\u200b", "b"])
    assert window.input_ids == [CLS, *letter_ids("a"), UNK, *letter_ids("b"), QUE_ID, SEP]
    assert window.positions == [1, 2, 3]


def test_words_keep_the_preceding_space_of_byte_level_sub_words() -> None:
    byte_level = Tokenizer(models.BPE(VOCABULARY, [("Ġ", "a"), ("a", "b")], unk_token="?"))
    byte_level.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    byte_level.post_processor = processors.TemplateProcessing(single="< $A >", special_tokens=[("<", 0), (">", 1)])
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=byte_level, cls_token="<", sep_token=">", unk_token="?", pad_token="?"
    )
    encoded = SentenceEncoder(tokenizer, NerConfig(use_que=False))
    (window,) = encoded.windows(["a", "ab"])
    assert window.input_ids == [0, 6, 6, 4, 1]  # Ġa, Ġa b, as in " a ab", and not a, ab, as in "aab"
    assert window.positions == [1, 2]


def test_long_sentences_are_split_at_words() -> None:
    # nine sub-words fit beside [CLS], [QUE] and [SEP]; windows share at most four
    windows = encoder(max_length=12, stride=4).windows(["aaa", "bb", "c", "dddd", "ee", "f", "ggg"])
    assert [window.input_ids[1:-2] for window in windows] == [
        letter_ids("aaa bb c"),
        letter_ids("bb c dddd ee"),
        letter_ids("ee f ggg"),
    ]
    # bb has 1 sub-word to the nearer end of the first window, 0 of the second; c has 0 and 2; ee has 0 and 0
    assert [window.words for window in windows] == [[0, 1], [2, 3, 4], [5, 6]]
    assert [window.positions for window in windows] == [[1, 4], [3, 4, 8], [3, 4]]


def test_windows_are_labelled_at_the_words_that_they_predict() -> None:
    sentence = Sentence(("aaa", "bb", "c", "dddd"), ("B-PER", "I-PER", "O", "B-ORG"))
    first, second = encoder(max_length=12, stride=4).encode_example(sentence)[0]
    assert first["labels"] == [-100, 1, -100, -100, 2, -100, -100, -100, -100]
    assert second["labels"] == [-100, -100, -100, 0, 5, -100, -100, -100, -100, -100]


def test_a_word_longer_than_a_window_is_truncated() -> None:
    windows = encoder(max_length=8, stride=2).windows(["a", "bcdefghijk", "l"])
    assert [window.input_ids for window in windows] == [
        [CLS, *letter_ids("a"), QUE_ID, SEP],
        [CLS, *letter_ids("bcdef"), QUE_ID, SEP],
        [CLS, *letter_ids("l"), QUE_ID, SEP],
    ]
    assert [window.positions for window in windows] == [[1], [1], [1]]


def test_windowed_truncated_and_unknown_words_are_counted() -> None:
    sentence = Sentence(("a", "bcdefghijk", "\u200b", "?"), ("O", "O", "O", "O"))
    rows, noticed = encoder(max_length=8, stride=2).encode_example(sentence)
    assert len(rows) == 3
    assert noticed == {"windowed_sentences": 1, "cut_words": 1, "unknown_words": 2}
    assert encoder().encode_example(sentence)[1] == {"windowed_sentences": 0, "cut_words": 0, "unknown_words": 2}


def test_a_partly_unknown_word_is_counted() -> None:
    sub_words = Tokenizer(models.Unigram([("?", 0.0), ("▁", -1.0), ("▁a", -1.0), ("b", -1.0)], unk_id=0))
    sub_words.pre_tokenizer = pre_tokenizers.Metaspace()
    sub_words.post_processor = processors.TemplateProcessing(single="? $A", special_tokens=[("?", 0)])
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=sub_words, unk_token="?", pad_token="?")
    sentence = Sentence(("a", "ab", "𐍈", "a𐍈b"), ("O",) * 4)  # ▁a; ▁a b; ▁ ?; ▁a ? b
    _, noticed = SentenceEncoder(tokenizer, NerConfig(use_que=False)).encode_example(sentence)
    assert noticed["unknown_words"] == 2


def test_a_sentence_without_words_has_no_windows() -> None:
    assert encoder().windows([]) == []


@settings(max_examples=200, deadline=None)
@given(
    sizes=st.lists(st.integers(1, 14), max_size=40),
    max_length=st.integers(4, 20),
    stride=st.integers(0, 20),
)
def test_each_word_is_predicted_once_where_it_has_most_context(sizes: list[int], max_length: int, stride: int) -> None:
    capacity = max_length - 3
    windows = encoder(max_length=max_length, stride=stride).windows(["a" * size for size in sizes])
    assert sorted(word for window in windows for word in window.words) == list(range(len(sizes)))
    assert all(len(window.input_ids) <= max_length for window in windows)
    edges = [0, *accumulate(min(size, capacity) for size in sizes)]
    starts = [edges[window.words[0]] - (window.positions[0] - 1) for window in windows]
    ends = [start + len(window.input_ids) - 3 for start, window in zip(starts, windows, strict=True)]
    assert set(starts) | set(ends) <= set(edges)  # cut at words
    assert all(next_start >= end - stride for end, next_start in zip(ends, starts[1:], strict=False))
    for number, window in enumerate(windows):
        for word, position in zip(window.words, window.positions, strict=True):
            assert position - 1 + starts[number] == edges[word]
            context = {
                other: min(edges[word] - starts[other], ends[other] - edges[word + 1])
                for other in range(len(windows))
                if starts[other] <= edges[word] and edges[word + 1] <= ends[other]
            }
            assert number == max(context, key=lambda other: (context[other], -other))


def test_encoding_time_is_linear_in_the_words() -> None:
    before = time.process_time()
    windows = encoder(max_length=12, stride=4).windows(["a"] * 50_000)
    assert len(windows) > 9_000
    assert time.process_time() - before < 5.0  # a minute and more, if every word is looked for in every window


def test_an_encoder_can_be_pickled() -> None:
    original = encoder(max_length=12, stride=4)
    words = ["aaa", "bb", "c", "dddd", "ee"]
    expected = original.windows(words)
    assert pickle.loads(pickle.dumps(original)).windows(words) == expected


def test_a_length_without_room_for_a_sentence_is_rejected() -> None:
    with pytest.raises(InputError, match=r"--ner\.max_length 3: leaves no room for a sentence beside 3 template"):
        encoder(max_length=3)


@pytest.mark.parametrize(
    ("config", "problem"),
    [
        pytest.param(
            NerConfig(stride=128), "--ner.stride 128: must be below --ner.max_length (128)", id="great stride"
        ),
        pytest.param(NerConfig(types=[]), "--ner.types: empty; give at least one", id="no types"),
        pytest.param(NerConfig(types=["PER", "PER"]), "--ner.types: contains a duplicate type", id="a type twice"),
        pytest.param(NerConfig(types=["PER", ""]), "--ner.types: a type is empty", id="a type without a name"),
        pytest.param(
            NerConfig(types=["A B"]), "--ner.types: a type is empty or contains white space", id="white space"
        ),
    ],
)
def test_each_problem_is_reported(config: NerConfig, problem: str) -> None:
    (found,) = ner_problems(config)
    assert found.startswith(problem)


def test_defaults_are_valid() -> None:
    assert list(ner_problems(NerConfig())) == []
