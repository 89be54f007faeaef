from pathlib import Path

import pytest
from tiny import TEXTS, write_encoder
from transformers import PreTrainedTokenizerBase

from clism_core.model.tokenizer import QUE, TextTokenizer, find_template, load_tokenizer, token_span

KINDS = ["xlmr", "bert", "xlm"]


@pytest.fixture(scope="module", params=KINDS)
def tokenizer(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> PreTrainedTokenizerBase:
    return load_tokenizer(str(write_encoder(request.param, tmp_path_factory.mktemp(request.param))))


@pytest.fixture(scope="module")
def xlmr(tmp_path_factory: pytest.TempPathFactory) -> PreTrainedTokenizerBase:
    return load_tokenizer(str(write_encoder("xlmr", tmp_path_factory.mktemp("xlmr"))))


def test_que_is_one_special_token_also_after_saving(tokenizer: PreTrainedTokenizerBase, tmp_path: Path) -> None:
    before = len(tokenizer)
    tokenizer.save_pretrained(tmp_path)
    again = load_tokenizer(str(tmp_path))
    assert len(again) == before
    assert QUE in again.all_special_tokens
    assert again.get_vocab()[QUE] == tokenizer.get_vocab()[QUE]


@pytest.mark.parametrize("literal", ["[QUE]", "<mask>", "</s>", "[SEP]", "[MASK]", "<pad>"])
def test_literal_special_tokens_stay_text(tokenizer: PreTrainedTokenizerBase, literal: str) -> None:
    text = f"Paris {literal} in {literal}{literal} Berlin"
    tokenized = TextTokenizer(tokenizer)(text)
    special = set(tokenizer.all_special_ids) - {tokenizer.unk_token_id}
    assert not special & set(tokenized.ids)
    start = text.index("Berlin")
    span = token_span(tokenized.offsets, start, start + 6)
    assert span is not None
    assert tokenized.offsets[span.end - 1][1] == start + 6


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        pytest.param(TEXTS[1], "Paris", id="de"),
        pytest.param(TEXTS[2], "ماري سميث", id="ar"),
        pytest.param(TEXTS[3], "मैरी स्मिथ", id="hi"),
        pytest.param("Thành phố Hồ Chí Minh ở đâu?", "Hồ Chí Minh", id="vi"),
        pytest.param("a 😀 Paris 👩‍👩‍👧 b", "Paris", id="emoji"),
    ],
)
def test_spans_of_words_round_trip(tokenizer: PreTrainedTokenizerBase, text: str, answer: str) -> None:
    start = text.index(answer)
    tokenized = TextTokenizer(tokenizer)(text, cuts=[start, start + len(answer)])
    span = token_span(tokenized.offsets, start, start + len(answer))
    assert span is not None
    covered = tokenized.offsets[span.start : span.end]
    assert text[covered[0][0] : covered[-1][1]] == answer


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        pytest.param(TEXTS[4], "巴黎", id="zh"),
        pytest.param(TEXTS[5], "パリ", id="ja"),
        pytest.param(TEXTS[6], "ปารีส", id="th"),
    ],
)
def test_spans_inside_running_script_are_exact_or_none(
    tokenizer: PreTrainedTokenizerBase, text: str, answer: str
) -> None:
    start, end = text.index(answer), text.index(answer) + len(answer)
    tokenized = TextTokenizer(tokenizer)(text, cuts=[start, end])
    span = token_span(tokenized.offsets, start, end)
    straddling = [o for o in tokenized.offsets if o[0] < start < o[1] or o[0] < end < o[1]]
    if span is None:
        assert straddling
    else:
        covered = [o for o in tokenized.offsets[span.start : span.end] if o[0] < o[1]]
        assert (min(o[0] for o in covered), max(o[1] for o in covered)) == (start, end)


@pytest.mark.parametrize(
    ("offsets", "start", "end", "expected"),
    [
        pytest.param([(0, 3), (4, 7), (7, 8)], 4, 7, (1, 2), id="one token"),
        pytest.param([(0, 3), (4, 7), (7, 8)], 0, 7, (0, 2), id="from the edge"),
        pytest.param([(0, 3), (4, 8)], 4, 7, None, id="a token crosses the end"),
        pytest.param([(0, 5), (5, 8)], 4, 8, None, id="a token crosses the start"),
        pytest.param([(0, 3), (4, 4), (4, 6), (6, 6), (6, 8)], 4, 8, (2, 5), id="empty tokens lie inside only"),
        pytest.param([(0, 2), (3, 4), (3, 4), (3, 4)], 3, 4, (1, 4), id="several tokens of one character"),
        pytest.param([(0, 2)], 5, 6, None, id="behind a truncated text"),
    ],
)
def test_token_span(offsets: list[tuple[int, int]], start: int, end: int, expected: tuple[int, int] | None) -> None:
    assert token_span(offsets, start, end) == expected


def test_templates_rebuild_the_tokenizers_own_pairs(tokenizer: PreTrainedTokenizerBase) -> None:
    first, second = "Mary Smith lives", "Mary lebt in Paris"
    ids = [tokenizer(text, add_special_tokens=False)["input_ids"] for text in (first, second)]
    template = find_template(tokenizer, pair=True)
    built = [*template.parts[0], *ids[0], *template.parts[1], *ids[1], *template.parts[2]]
    assert built == tokenizer(first, second)["input_ids"]
    assert template.size == tokenizer.num_special_tokens_to_add(pair=True)
    single = find_template(tokenizer, pair=False)
    assert [*single.parts[0], *ids[0], *single.parts[1]] == tokenizer(first)["input_ids"]


@pytest.mark.parametrize(("kind", "types"), [("xlmr", None), ("bert", (0, 1)), ("xlm", None)])
def test_type_ids_are_used_if_the_architecture_has_them(
    kind: str, types: tuple[int, int] | None, tmp_path: Path
) -> None:
    tokenizer = load_tokenizer(str(write_encoder(kind, tmp_path)))
    assert find_template(tokenizer, pair=True).type_ids == types


def test_metaspace_offsets_exclude_the_space(xlmr: PreTrainedTokenizerBase) -> None:
    text = "born in  Paris"
    assert all(text[start:end].strip() == text[start:end] for start, end in TextTokenizer(xlmr)(text).offsets)
