import logging

import pytest
from tiny import TEXTS, write_encoder
from transformers import PreTrainedTokenizerBase, XLMRobertaTokenizer

from clism_core.model.tokenizer import load_tokenizer
from clism_core.model.vocabulary import check_vocabulary, check_words, find_unknown_words, spread
from clism_core.utils.errors import InputError

KNOWN = "Mary Smith lives in Berlin"  # five words of TEXTS
UNKNOWN = "ሰላም"  # Ethiopic, not in TEXTS


@pytest.fixture(scope="module", params=["xlmr", "bert", "xlm"])
def tokenizer(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> PreTrainedTokenizerBase:
    return load_tokenizer(str(write_encoder(request.param, tmp_path_factory.mktemp(request.param))))


@pytest.mark.parametrize(
    ("surplus", "warns"),
    [
        pytest.param(-1, False, id="without-que"),
        pytest.param(0, False, id="equal"),
        pytest.param(8, False, id="padded"),
        pytest.param(60, True, id="many-unused"),
    ],
)
def test_an_encoder_with_about_as_many_embeddings_fits(
    tokenizer: PreTrainedTokenizerBase, caplog: pytest.LogCaptureFixture, surplus: int, warns: bool
) -> None:
    with caplog.at_level(logging.WARNING):
        check_vocabulary(tokenizer, "m", embeddings=len(tokenizer) + surplus)
    assert ("is the tokenizer that of the encoder?" in caplog.text) == warns


def test_tokens_without_an_embedding_are_named(tokenizer: PreTrainedTokenizerBase) -> None:
    tokens = sorted(tokenizer.get_vocab().items(), key=lambda item: item[1])
    last = [token for token, _ in tokens[-3:] if token != "[QUE]"]
    with pytest.raises(InputError, match="2 tokens have no embedding") as caught:
        check_vocabulary(tokenizer, "m", embeddings=len(tokenizer) - 3)
    assert all(token in str(caught.value) for token in last)


def test_a_much_smaller_vocabulary_is_of_another_model(tokenizer: PreTrainedTokenizerBase) -> None:
    with pytest.raises(InputError, match="they are of different models"):
        check_vocabulary(tokenizer, "m", embeddings=2 * len(tokenizer) + 1)


def test_a_tokenizer_of_special_tokens_only_is_empty() -> None:
    with pytest.raises(InputError, match=r"its tokenizer is empty"):
        check_vocabulary(XLMRobertaTokenizer(), "m", embeddings=250_002)


def test_words_with_the_unknown_token_are_counted(tokenizer: PreTrainedTokenizerBase) -> None:
    found = find_unknown_words(tokenizer, [f"{KNOWN} {UNKNOWN}", f"{UNKNOWN}  {KNOWN} {UNKNOWN}."])
    assert found.words == 13
    assert found.unknown.total() == 3
    assert {word.strip(".") for word in found.unknown} == {UNKNOWN}
    assert find_unknown_words(tokenizer, TEXTS[:4]).share == 0


@pytest.mark.parametrize(
    ("unknown", "strict", "outcome"),
    [
        pytest.param(0, True, "", id="none"),
        pytest.param(1, True, "warning", id="some"),
        pytest.param(5, True, "warning", id="half"),
        pytest.param(45, True, "error", id="most"),
        pytest.param(45, False, "warning", id="most-of-a-test-set"),
    ],
)
def test_unknown_words_are_shown(
    tokenizer: PreTrainedTokenizerBase, caplog: pytest.LogCaptureFixture, unknown: int, strict: bool, outcome: str
) -> None:
    texts = [f"{KNOWN} {' '.join([UNKNOWN] * unknown)}"] * 4
    with caplog.at_level(logging.WARNING):
        if outcome == "error":
            with pytest.raises(InputError, match=rf"--data: 90 % of the words contain .* such as {UNKNOWN}"):
                check_words(tokenizer, texts, place="--data", strict=strict)
        else:
            check_words(tokenizer, texts, place="--data", strict=strict)
    assert (UNKNOWN in caplog.text) == (outcome == "warning")


def test_a_few_words_give_no_share(tokenizer: PreTrainedTokenizerBase, caplog: pytest.LogCaptureFixture) -> None:
    check_words(tokenizer, [UNKNOWN] * 19, place="--data", strict=True)
    assert not caplog.text


@pytest.mark.parametrize(
    ("rows", "expected"), [(3, [0, 1, 2]), (399, list(range(200))), (1000, list(range(0, 1000, 5)))]
)
def test_rows_are_spread_over_the_data(rows: int, expected: list[int]) -> None:
    assert list(spread(range(rows))) == expected
