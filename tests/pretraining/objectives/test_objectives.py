"""The three losses beside slow references and values worked out by hand."""

import math
from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from clism_core.model.objective import States
from clism_core.model.span_head import SpanHead, SpanLogits, best_spans
from clism_core.model.trained_vocabulary import TrainedVocabulary
from clism_core.pretraining.batches import PLAIN_SOURCE, Batch
from clism_core.pretraining.objectives.cacr import CACR
from clism_core.pretraining.objectives.clism import CLISM
from clism_core.pretraining.objectives.mlm import MLM

DIM = 6


def make_batch(*, questions: list[list[tuple[int, int, int]]], lengths: list[int]) -> Batch:
    """A batch of inputs of these lengths with questions (position, first, last)."""
    size, length = len(lengths), max(lengths)
    width = max(1, *(len(asked) for asked in questions))
    attention_mask = torch.zeros(size, length, dtype=torch.long)
    table = torch.zeros(3, size, width, dtype=torch.long)
    question_mask = torch.zeros(size, width, dtype=torch.bool)
    for row, asked in enumerate(questions):
        attention_mask[row, : lengths[row]] = 1
        for column, question in enumerate(asked):
            table[:, row, column] = torch.tensor(question)
            question_mask[row, column] = True
    empty = torch.zeros(0, dtype=torch.long)
    return Batch(
        input_ids=attention_mask,
        attention_mask=attention_mask,
        token_type_ids=None,
        source_mask=torch.zeros(size, length, dtype=torch.bool),
        target_mask=torch.zeros(size, length, dtype=torch.bool),
        question_position=table[0],
        question_mask=question_mask,
        answer_start=table[1],
        answer_end=table[2],
        mlm_row=empty,
        mlm_position=empty,
        mlm_label=empty,
        plain_ids=attention_mask,
        plain_attention_mask=attention_mask,
        plain_token_type_ids=None,
        plain_mask=torch.zeros(size, length, dtype=torch.bool),
        keys=torch.arange(2 * size).reshape(size, 2),
    )


def random_states(batch: Batch) -> Tensor:
    torch.manual_seed(0)
    return torch.randn(*batch.input_ids.shape, DIM, requires_grad=True)


QUESTIONS = [[(1, 4, 5), (2, 6, 6)], [], [(3, 3, 4)]]


def test_clism_is_eq_1_to_4() -> None:
    batch = make_batch(questions=QUESTIONS, lengths=[7, 5, 6])
    h = random_states(batch)
    head = SpanHead(DIM)
    nn.init.normal_(head.start.weight)
    nn.init.normal_(head.end.weight)
    result = CLISM(head)(States(h), batch)
    expected = 0.0
    for row, asked in enumerate(QUESTIONS):
        for position, first, last in asked:
            for weight, gold in ((head.start.weight, first), (head.end.weight, last)):
                vector = weight @ h[row, position]
                scores = [math.exp(float((h[row, k] @ vector).detach())) for k in range([7, 5, 6][row])]
                expected -= math.log(scores[gold] / sum(scores))
    assert float(result.loss_sum) == pytest.approx(expected, rel=1e-5)
    assert CLISM(head).count(batch) == 3


def test_clism_counts_exact_spans() -> None:
    """States along the axes, and a head that maps the [QUE]s' axes onto those of first and last token."""
    batch = make_batch(questions=[[(0, 1, 2), (3, 4, 4)]], lengths=[6])
    h = torch.eye(6).unsqueeze(0)
    head = SpanHead(6)
    with torch.no_grad():
        head.start.weight.zero_()
        head.end.weight.zero_()
        head.start.weight[1, 0] = head.end.weight[2, 0] = 5.0
        head.start.weight[4, 3] = head.end.weight[5, 3] = 5.0  # the end is one too far
    result = CLISM(head)(States(h), batch)
    assert int(result.metric_sums["span_exact_match"]) == 1


def test_clism_without_questions_is_zero_with_a_graph() -> None:
    batch = make_batch(questions=[[], []], lengths=[4, 3])
    h = random_states(batch)
    head = SpanHead(DIM)
    result = CLISM(head)(States(h), batch)
    assert float(result.loss_sum) == 0.0
    result.loss_sum.backward()
    assert head.start.weight.grad is not None
    assert not head.start.weight.grad.any()
    assert h.grad is not None
    assert not h.grad.any()


def test_clism_gradients_do_not_reach_padding() -> None:
    batch = make_batch(questions=QUESTIONS, lengths=[7, 5, 6])
    h = random_states(batch)
    CLISM(SpanHead(DIM))(States(h), batch).loss_sum.backward()
    assert h.grad is not None
    assert not h.grad[1].any()
    assert not h.grad[2, 6:].any()
    assert h.grad[2, :6].any(dim=-1).all()


def test_span_logits_are_fp32_under_autocast() -> None:
    batch = make_batch(questions=QUESTIONS, lengths=[7, 5, 6])
    with torch.autocast("cpu", dtype=torch.bfloat16):
        logits = SpanHead(DIM)(random_states(batch).bfloat16(), batch.question_position, batch.attention_mask)
    assert logits.start_BKL.dtype == torch.float32


def test_best_spans_do_not_end_before_they_start() -> None:
    start = torch.tensor([[[0.0, 1.0, 5.0]]])
    end = torch.tensor([[[4.0, 3.0, 0.0]]])
    # starts and ends: (0,0) 4, (0,1) 3, (0,2) 0, (1,1) 4, (1,2) 1, (2,2) 5; the argmaxes by themselves give (2,0)
    assert [int(x) for x in best_spans(SpanLogits(start, end))] == [2, 2]
    end[0, 0, 0] = 6.0
    assert [int(x) for x in best_spans(SpanLogits(start, end))] == [0, 0]


def reference_cacr(vectors: Tensor, temperature: float, same: set[tuple[int, int]] = frozenset()) -> float:  # type: ignore[assignment]
    """Eq. 6-8 with loops; `same` are the pairs that are no negatives."""
    masked, target, plain = ([v / v.norm() for v in vectors[:, k]] for k in range(3))
    total = 0.0
    for anchor, other in ((target, masked), (plain, masked), (target, plain)):
        for i in range(len(vectors)):
            scores = {
                j: math.exp(float(anchor[i] @ other[j]) / temperature)
                for j in range(len(vectors))
                if (i, j) not in same
            }
            total -= math.log(scores[i] / sum(scores.values()))
    return total


@pytest.mark.parametrize("temperature", [0.05, 1.0, 20.0])
def test_cacr_is_eq_6_to_8(temperature: float) -> None:
    torch.manual_seed(1)
    vectors = torch.randn(5, 3, DIM)
    loss = CACR(temperature).loss(vectors, torch.arange(10).reshape(5, 2)).loss_sum
    assert float(loss) == pytest.approx(reference_cacr(vectors, temperature), rel=1e-5)


def test_cacr_by_hand() -> None:
    """Two inputs whose three vectors are one axis each: every softmax is 1 / (1 + exp(-1 / temperature))."""
    vectors = torch.eye(2).unsqueeze(1).expand(2, 3, 2)
    result = CACR(0.5).loss(vectors, torch.arange(4).reshape(2, 2))
    assert float(result.loss_sum) == pytest.approx(6 * math.log(1 + math.exp(-2)), rel=1e-6)
    assert int(result.metric_sums["retrieval_accuracy"]) == 2


def test_equal_sources_and_targets_are_not_negatives_of_cacr() -> None:
    torch.manual_seed(1)
    vectors = torch.randn(4, 3, DIM)
    keys = torch.tensor([[1, 1], [2, 2], [1, 3], [4, 2]])  # 0 and 2 share the source, 1 and 3 the target
    same = {(0, 2), (2, 0), (1, 3), (3, 1)}
    assert float(CACR(0.1).loss(vectors, keys).loss_sum) == pytest.approx(reference_cacr(vectors, 0.1, same), rel=1e-5)


def test_cacr_gradients_flow_into_negatives() -> None:
    torch.manual_seed(1)
    vectors = torch.randn(3, 3, DIM, requires_grad=True)
    keys = torch.arange(6).reshape(3, 2)
    alone = torch.autograd.grad(CACR(1.0).loss(vectors, keys).loss_sum, vectors)[0]
    assert alone.flatten(1).any(dim=1).all()
    first_only = torch.nn.functional.normalize(vectors, dim=-1)
    loss = torch.nn.functional.cross_entropy(first_only[:1, 1] @ first_only[:, 0].T, torch.tensor([0]))
    gradient = torch.autograd.grad(loss, vectors)[0]
    assert gradient[1:, 0].any(dim=1).all()


def test_cacr_means_exclude_template_and_padding() -> None:
    batch = make_batch(questions=[[]], lengths=[6])
    batch = replace(
        batch,
        source_mask=torch.tensor([[False, True, True, False, False, False]]),
        target_mask=torch.tensor([[False, False, False, False, True, False]]),
        plain_mask=torch.tensor([[False, True, True, True, False, False]]),
    )
    h = torch.arange(6.0).reshape(1, 6, 1).expand(1, 6, DIM)
    vectors = CACR(1.0)(States(h, {PLAIN_SOURCE: 10 * h}), batch)
    assert vectors[0, :, 0].tolist() == [1.5, 4.0, 20.0]


def test_mlm_predicts_only_masked_tokens() -> None:
    batch = make_batch(questions=[[], []], lengths=[4, 3])
    batch = replace(
        batch,
        mlm_row=torch.tensor([0, 1, 1]),
        mlm_position=torch.tensor([3, 0, 2]),
        mlm_label=torch.tensor([2, 0, 1]),
    )
    h = random_states(batch)
    head = nn.Linear(DIM, 4)
    seen = []
    head.register_forward_hook(lambda _module, inputs, _output: seen.append(inputs[0].shape))
    result = MLM(head, TrainedVocabulary())(States(h), batch)
    assert seen == [(3, DIM)]
    expected = 0.0
    for row, position, label in ((0, 3, 2), (1, 0, 0), (1, 2, 1)):
        scores = [math.exp(float(score)) for score in head(h[row, position])]
        expected -= math.log(scores[label] / sum(scores))
    assert float(result.loss_sum) == pytest.approx(expected, rel=1e-5)
    assert MLM(head, TrainedVocabulary()).count(batch) == 3


def test_mlm_without_masked_tokens_is_zero_with_a_graph() -> None:
    batch = make_batch(questions=[[]], lengths=[4])
    head = nn.Linear(DIM, 4)
    result = MLM(head, TrainedVocabulary())(States(random_states(batch)), batch)
    result.loss_sum.backward()
    assert float(result.loss_sum) == 0.0
    assert head.weight.grad is not None
    assert not head.weight.grad.any()
