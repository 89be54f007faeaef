import pytest
import torch

from clism_core.pretraining.evaluation import retrieval as module
from clism_core.pretraining.evaluation.retrieval import nearest, retrieval


def test_accuracy_of_both_directions_and_random_cosine() -> None:
    source = torch.tensor([[1.0, 0.0], [0.0, 2.0], [1.0, 1.0]])
    target = torch.tensor([[3.0, 0.0], [1.0, 1.1], [1.0, 1.0]])
    found = retrieval(source, target, torch.arange(3), torch.arange(3))
    # source 1 (up) is nearest to target 1, source 2 (diagonal) to target 2; backwards, target 1 finds source 2
    assert found.accuracy == pytest.approx(1.0)
    assert found.reverse_accuracy == pytest.approx(2 / 3)
    # cosines between the three sources: 0, 1/sqrt 2, 1/sqrt 2
    assert found.random_cosine == pytest.approx((0 + 2 * 0.5**0.5) / 3)


def test_text_equal_to_the_translation_is_correct() -> None:
    source, target = torch.eye(2), torch.tensor([[1.0, 0.1], [1.0, 0.0]])
    assert retrieval(source, target, torch.arange(2), torch.arange(2)).accuracy == 0.0
    assert retrieval(source, target, torch.arange(2), torch.tensor([7, 7])).accuracy == 1.0


def test_single_sentence_has_random_cosine_0() -> None:
    assert retrieval(torch.ones(1, 2), torch.ones(1, 2), torch.zeros(1), torch.zeros(1)).random_cosine == 0.0


def test_nearest_is_by_angle_and_the_first_of_equals() -> None:
    queries = torch.tensor([[1.0, 0.0], [0.0, 3.0], [1.0, 1.0]])
    candidates = torch.tensor([[0.0, 0.1], [9.0, 0.0], [0.5, 0.0]])
    assert nearest(queries, candidates).tolist() == [1, 0, 0]


def test_cosines_are_computed_for_a_group_of_queries_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    queries, candidates = torch.randn(5, 4), torch.randn(3, 4)
    whole = nearest(queries, candidates)
    held: list[torch.Size] = []
    monkeypatch.setattr(module, "_COSINES_AT_A_TIME", 7)
    argmax = torch.Tensor.argmax

    def counted(cosines: torch.Tensor, dim: int) -> torch.Tensor:
        held.append(cosines.shape)
        return argmax(cosines, dim=dim)

    monkeypatch.setattr(torch.Tensor, "argmax", counted)
    assert nearest(queries, candidates).tolist() == whole.tolist()
    assert held == [(2, 3), (2, 3), (1, 3)]
