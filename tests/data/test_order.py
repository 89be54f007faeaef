from collections import Counter
from itertools import pairwise

import numpy as np
import pytest

from clism_core.data.order import SampleOrder, make_stages, share_out


def make_order(n: int = 50, *, seed: int = 7, **changes: object) -> SampleOrder:
    settings = {
        "lengths": np.random.default_rng(1).integers(5, 100, size=n),
        "pair_codes": np.zeros(n, dtype=np.int64),
        "stages": make_stages({0.0: 1}, 1000),
        "global_batch_size": 10,
        "window": 1,
        "sampling_alpha": 1.0,
        "seed": seed,
    }
    return SampleOrder(**(settings | changes))  # type: ignore[arg-type]


def ordinals(order: SampleOrder, first: int, stop: int) -> list[int]:
    return [int(i) for step in range(first, stop) for i in order.batch(step).ordinals_GK.ravel()]


@pytest.mark.parametrize("window", [pytest.param(1, id="unsorted"), pytest.param(5, id="one window an epoch")])
def test_every_epoch_holds_every_sample_once(window: int) -> None:
    order = make_order(window=window)
    for epoch in range(3):
        assert sorted(ordinals(order, 5 * epoch, 5 * epoch + 5)) == list(range(50))


def test_epochs_that_end_inside_a_window_lose_nothing() -> None:
    order = make_order(n=53, window=4)  # 530 inputs are 10 epochs of 53, and 53 batches are 13.25 windows
    drawn = Counter(ordinals(order, 0, 52))
    assert set(drawn.values()) <= {9, 10}
    assert sum(drawn.values()) == 520


def test_visits_count_how_often_a_sample_came_before() -> None:
    order = make_order(n=20, window=1)
    visits = [int(v) for step in range(6) for v in order.batch(step).visits_GK.ravel()]
    assert visits == [0] * 20 + [1] * 20 + [2] * 20


def test_epochs_differ() -> None:
    order = make_order()
    assert ordinals(order, 0, 5) != ordinals(order, 5, 10)


def test_a_step_does_not_depend_on_what_was_asked_before() -> None:
    order = make_order(window=3)
    in_turn = [order.batch(step).ordinals_GK.tolist() for step in range(40)]
    assert make_order(window=3).batch(31).ordinals_GK.tolist() == in_turn[31]


def test_another_seed_is_another_order() -> None:
    assert ordinals(make_order(seed=7), 0, 5) != ordinals(make_order(seed=8), 0, 5)


def test_windows_are_sorted_by_length_and_batches_shuffled() -> None:
    order = make_order(window=5)
    ranges = []
    for step in range(5):
        lengths = order.lengths[order.batch(step).ordinals_GK.ravel()]
        assert (np.diff(lengths) >= 0).all()
        ranges.append((lengths.min(), lengths.max()))
    assert ranges != sorted(ranges)
    in_order = sorted(ranges)
    assert all(left[1] <= right[0] for left, right in pairwise(in_order))


@pytest.mark.parametrize(
    ("alpha", "expected"),
    [
        pytest.param(1.0, [64, 4], id="as they are"),
        pytest.param(0.5, [54, 14], id="square roots 8 and 2 of 68"),
        pytest.param(0.0, [34, 34], id="alike"),
    ],
)
def test_language_pairs_are_drawn_by_size_to_the_alpha(alpha: float, expected: list[int]) -> None:
    codes = np.array([0] * 64 + [1] * 4)
    order = make_order(n=68, pair_codes=codes, sampling_alpha=alpha, global_batch_size=68)
    drawn = codes[order.batch(0).ordinals_GK.ravel()]
    assert [int((drawn == code).sum()) for code in (0, 1)] == expected


def test_small_language_pairs_go_round_evenly() -> None:
    codes = np.array([0] * 64 + [1] * 4)
    order = make_order(n=68, pair_codes=codes, sampling_alpha=0.0, global_batch_size=68)
    drawn = Counter(i for i in ordinals(order, 0, 2) if i >= 64)  # 68 draws of 4 samples
    assert drawn == {64: 17, 65: 17, 66: 17, 67: 17}


def test_joined_pairs_are_of_one_language_pair() -> None:
    codes = np.arange(60) % 3
    order = make_order(n=60, pair_codes=codes, stages=make_stages({0.0: 4}, 10), global_batch_size=15)
    groups = codes[order.batch(0).ordinals_GK]
    assert groups.shape == (15, 4)
    assert (groups == groups[:, :1]).all()
    assert sorted(ordinals(order, 0, 1)) == list(range(60))


def test_stages_follow_the_share_of_the_training() -> None:
    order = make_order(stages=make_stages({0.0: 1, 0.6: 4}, 10))
    assert [order.batch(step).ordinals_GK.shape for step in (5, 6)] == [(10, 1), (10, 4)]


@pytest.mark.parametrize(
    ("total", "weights", "parts"),
    [
        pytest.param(10, [1, 1, 1], [4, 3, 3], id="ties go to the first"),
        pytest.param(7, [5, 2], [5, 2], id="exact"),
        pytest.param(10, [0.55, 0.45], [6, 4], id="5.5 and 4.5"),
        pytest.param(3, [100, 1], [3, 0], id="a tiny part gets nothing"),
    ],
)
def test_share_out(total: int, weights: list[float], parts: list[int]) -> None:
    assert share_out(total, np.array(weights, dtype=float)).tolist() == parts
