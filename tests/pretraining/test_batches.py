"""Inputs worked out by hand over a vocabulary in which every letter is a token."""

from collections import Counter

import numpy as np
import pytest
import torch
from tiny import sample
from tokenizers import AddedToken, Tokenizer, models, pre_tokenizers, processors
from transformers import PreTrainedTokenizerFast

from clism_core.model.tokenizer import QUE
from clism_core.pretraining.batches import TRUNCATED, Batch, BatchBuilder, MaskingConfig, draw_spans, mask_spans
from clism_core.pretraining.encoding import EncodedSample, Span

CLS, SEP, PAD, UNK, MASK = range(5)
A, B, C, D, E, F, G, H = range(5, 13)  # source tokens
P, Q, R, S, T, U, V, W = range(13, 21)  # target tokens
LETTERS = "abcdefghpqrstuvw"
NO_MLM = 1e-12


@pytest.fixture(scope="module")
def tokenizer() -> PreTrainedTokenizerFast:
    special = ["<s>", "</s>", "<pad>", "<unk>", "<mask>"]
    vocabulary = {token: number for number, token in enumerate([*special, *LETTERS])}
    backend = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    backend.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    backend.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", pair="<s> $A </s> </s> $B </s>", special_tokens=[("<s>", CLS), ("</s>", SEP)]
    )
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=backend,
        cls_token="<s>",
        sep_token="</s>",
        pad_token="<pad>",
        unk_token="<unk>",
        mask_token="<mask>",
    )
    tokenizer.add_special_tokens({"extra_special_tokens": [QUE]})
    return tokenizer


QUE_ID = 5 + len(LETTERS)


def build(tokenizer: PreTrainedTokenizerFast, *groups: list[EncodedSample], **settings: object) -> Batch:
    config = MaskingConfig(**({"mlm_probability": NO_MLM} | settings))  # type: ignore[arg-type]
    return BatchBuilder(tokenizer, config, seed=3)(groups)


def test_input_of_one_pair(tokenizer: PreTrainedTokenizerFast) -> None:
    batch = build(
        tokenizer,
        [sample(source=[A, B, C, D, E], target=[P, Q, R, S], spans=[(1, 3, 2, 4), (4, 5, 0, 1)])],
        [sample(source=[A], target=[P], spans=[])],
    )
    assert batch.input_ids.tolist() == [
        [CLS, A, QUE_ID, D, QUE_ID, SEP, SEP, P, Q, R, S, SEP],
        [CLS, A, SEP, SEP, P, SEP, PAD, PAD, PAD, PAD, PAD, PAD],
    ]
    assert batch.attention_mask.sum(dim=1).tolist() == [12, 6]
    assert batch.source_mask.nonzero().tolist() == [[0, 1], [0, 2], [0, 3], [0, 4], [1, 1]]
    assert batch.target_mask.nonzero().tolist() == [[0, 7], [0, 8], [0, 9], [0, 10], [1, 4]]
    assert batch.question_mask.tolist() == [[True, True], [False, False]]
    assert batch.question_position[0].tolist() == [2, 4]
    assert batch.answer_start[0].tolist() == [9, 7]
    assert batch.answer_end[0].tolist() == [10, 7]
    assert batch.plain_ids.tolist() == [[CLS, A, B, C, D, E, SEP], [CLS, A, SEP, PAD, PAD, PAD, PAD]]
    assert batch.plain_mask.sum(dim=1).tolist() == [5, 1]
    assert batch.n_tokens == 12 + 6
    assert batch.token_type_ids is None


def test_spans_at_both_edges(tokenizer: PreTrainedTokenizerFast) -> None:
    batch = build(tokenizer, [sample(source=[A, B, C], target=[P, Q, R], spans=[(0, 1, 2, 3), (2, 3, 0, 1)])])
    assert batch.input_ids.tolist() == [[CLS, QUE_ID, B, QUE_ID, SEP, SEP, P, Q, R, SEP]]
    assert batch.question_position.tolist() == [[1, 3]]
    assert batch.answer_start.tolist() == batch.answer_end.tolist() == [[8, 6]]


@pytest.mark.parametrize(
    ("source", "target", "spans", "kept"),
    [
        # 16 tokens leave 6 for each side
        pytest.param(8, 4, [(7, 8, 0, 1)], 0, id="[QUE] is cut off"),
        pytest.param(8, 4, [(5, 6, 0, 1)], 1, id="[QUE] is the last token"),
        pytest.param(3, 8, [(0, 1, 7, 8)], 0, id="answer is cut off"),
        pytest.param(3, 8, [(0, 1, 4, 7)], 0, id="answer is cut in two"),
        pytest.param(3, 8, [(0, 1, 4, 6)], 1, id="answer is the last tokens"),
        pytest.param(8, 4, [(0, 4, 1, 2), (6, 8, 0, 1)], 2, id="masking shortens the source enough"),
    ],
)
def test_truncated_questions_are_dropped_and_counted(
    tokenizer: PreTrainedTokenizerFast, source: int, target: int, spans: list[tuple[int, int, int, int]], kept: int
) -> None:
    batch = build(
        tokenizer,
        [sample(source=list(range(A, A + source)), target=list(range(P, P + target)), spans=spans)],
        max_length=16,
    )
    assert batch.input_ids.shape[1] <= 16
    assert int(batch.question_mask.sum()) == kept
    assert batch.counters[TRUNCATED] == len(spans) - kept
    for position in batch.question_position[batch.question_mask]:
        assert batch.input_ids[0, position] == QUE_ID


def test_answers_are_the_gold_tokens_after_masking(tokenizer: PreTrainedTokenizerFast) -> None:
    spans = [(0, 3, 4, 6), (5, 6, 1, 2)]
    batch = build(tokenizer, [sample(source=[A, B, C, D, E, F], target=[P, Q, R, S, T, U], spans=spans)])
    answers = [
        batch.input_ids[0, start : end + 1].tolist()
        for start, end in zip(batch.answer_start[0], batch.answer_end[0], strict=True)
    ]
    assert answers == [[T, U], [Q]]


def test_joined_pairs(tokenizer: PreTrainedTokenizerFast) -> None:
    group = [
        sample(source=[A, B], target=[P, Q], spans=[(0, 1, 1, 2)], ordinal=0),
        sample(source=[C, D], target=[R, S], spans=[(1, 2, 0, 1)], ordinal=1),
    ]
    batch = build(tokenizer, group)
    assert batch.input_ids.tolist() == [[CLS, QUE_ID, B, C, QUE_ID, SEP, SEP, P, Q, R, S, SEP]]
    assert batch.question_position.tolist() == [[1, 4]]
    assert batch.answer_start.tolist() == [[8, 9]]
    assert batch.plain_ids.tolist() == [[CLS, A, B, C, D, SEP]]


def test_batch_without_questions(tokenizer: PreTrainedTokenizerFast) -> None:
    batch = build(tokenizer, [sample(source=[A], target=[P], spans=[])])
    assert batch.question_mask.shape == (1, 1)
    assert not batch.question_mask.any()


def test_at_most_max_spans_are_masked_and_each_is_drawn_eventually(tokenizer: PreTrainedTokenizerFast) -> None:
    spans = [(i, i + 1, i, i + 1) for i in range(4)]
    asked: Counter[int] = Counter()
    for visit in range(40):
        group = [sample(source=[A, B, C, D], target=[P, Q, R, S], spans=spans, visit=visit)]
        batch = build(tokenizer, group, max_spans=2)
        assert int(batch.question_mask.sum()) == 2
        asked.update(batch.input_ids[0, batch.answer_start[0]].tolist())
    assert set(asked) == {P, Q, R, S}


def test_masking_depends_only_on_seed_sample_and_visit(tokenizer: PreTrainedTokenizerFast) -> None:
    def masked(ordinal: int, visit: int, seed: int = 3) -> list[list[int]]:
        chosen = sample(source=[A, B, C, D] * 4, target=[P, Q, R, S] * 4, spans=[], ordinal=ordinal, visit=visit)
        builder = BatchBuilder(tokenizer, MaskingConfig(mlm_probability=0.5), seed=seed)
        builder([[sample(source=[A], target=[P], spans=[], ordinal=9)]])  # what came before changes nothing
        ids: list[list[int]] = builder([[chosen]]).input_ids.tolist()
        return ids

    assert masked(1, 0) == masked(1, 0)
    assert len({str(masked(*place)) for place in ((1, 0), (1, 1), (2, 0), (1, 0, 4))}) == 4


@pytest.mark.parametrize("mask_answers", [False, True])
def test_mlm_masks_a_share_of_ordinary_tokens(tokenizer: PreTrainedTokenizerFast, mask_answers: bool) -> None:
    source, target = [A, B, C, D, E, F, G, H], [P, Q, R, S, T, U, V, W]
    fates: Counter[str] = Counter()
    masked = Counter[int]()
    n_visits = 3000
    builder = BatchBuilder(tokenizer, MaskingConfig(mlm_probability=0.3, mask_answers=mask_answers), seed=0)
    before = [CLS, QUE_ID, *source[1:], SEP, SEP, *target, SEP]
    for visit in range(n_visits):
        batch = builder([[sample(source=source, target=target, spans=[(0, 1, 1, 3)], visit=visit)]])
        after = batch.input_ids[0].tolist()
        labels = dict(zip(batch.mlm_position.tolist(), batch.mlm_label.tolist(), strict=True))
        masked.update(labels.keys())
        for position, (was, now) in enumerate(zip(before, after, strict=True)):
            assert labels.get(position, was) == was
            assert now == was or position in labels
        fates.update(
            "mask" if after[i] == MASK else "kept" if after[i] == was else "random" for i, was in labels.items()
        )
        assert not {after[i] for i in labels} & {CLS, SEP, PAD, UNK, QUE_ID}
    answers = {before.index(Q), before.index(R)}
    never = {0, 1, 9, 10, len(before) - 1} | (set() if mask_answers else answers)
    assert set(masked) == set(range(len(before))) - never
    shares = np.array([masked[position] / n_visits for position in masked])
    assert shares == pytest.approx(np.full(len(shares), 0.3), abs=0.04)  # 4.8 standard deviations
    total = sum(fates.values())
    assert fates["mask"] / total == pytest.approx(0.8, abs=0.015)
    # one random token in 16 is the token itself
    assert fates["random"] / total == pytest.approx(0.1 * 15 / 16, abs=0.012)


def test_mlm_neither_predicts_nor_draws_unknown_and_added_special_tokens(tokenizer: PreTrainedTokenizerFast) -> None:
    """The text's own `<unk>`s stay; of a vocabulary with nothing ordinary but one letter, only the letter is drawn."""
    backend = Tokenizer(models.WordLevel({"<s>": 0, "</s>": 1, "<pad>": 2, "<unk>": 3, "<mask>": 4, "a": 5}, "<unk>"))
    backend.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    backend.post_processor = tokenizer.backend_tokenizer.post_processor
    roles = {
        "cls_token": "<s>",
        "sep_token": "</s>",
        "pad_token": "<pad>",
        "unk_token": "<unk>",
        "mask_token": "<mask>",
    }
    small = PreTrainedTokenizerFast(tokenizer_object=backend, **roles)
    small.add_tokens([AddedToken("<extra>", special=True)])
    small.add_special_tokens({"extra_special_tokens": [QUE]})
    builder = BatchBuilder(small, MaskingConfig(mlm_probability=0.999), seed=0)
    drawn: Counter[int] = Counter()
    for visit in range(300):
        batch = builder([[sample(source=[A, UNK, A], target=[UNK, A], spans=[], visit=visit)]])
        assert set(batch.mlm_label.tolist()) == {A}
        assert batch.input_ids[0, [2, 6]].tolist() == [UNK, UNK]
        drawn.update(batch.input_ids[0, batch.mlm_position].tolist())
    assert set(drawn) == {MASK, A}


def test_equal_texts_have_equal_keys(tokenizer: PreTrainedTokenizerFast) -> None:
    groups = [[sample(source=[A], target=[t], spans=[], ordinal=i)] for i, t in enumerate((P, Q, P))]
    keys = build(tokenizer, *groups).keys
    assert (keys[:, 0] == keys[0, 0]).all()
    assert keys[0, 1] == keys[2, 1] != keys[1, 1]


def test_batches_move_to_a_device(tokenizer: PreTrainedTokenizerFast) -> None:
    batch = build(tokenizer, [sample(source=[A], target=[P], spans=[(0, 1, 0, 1)])]).to(torch.device("meta"))
    assert batch.input_ids.is_meta
    assert batch.mlm_label.is_meta
    assert batch.token_type_ids is None


def test_mask_spans() -> None:
    spans = [Span(0, 2, 0, 1), Span(2, 3, 1, 2)]
    assert mask_spans([A, B, C, D], spans, QUE_ID) == ([QUE_ID, QUE_ID, D], [0, 1])


def test_drawn_spans_are_in_source_order() -> None:
    spans = [Span(4, 5, 0, 1), Span(0, 1, 1, 2), Span(2, 3, 2, 3)]
    drawn = draw_spans(spans, 5, np.random.default_rng(0))
    assert [span.source_start for span in drawn] == [0, 2, 4]
