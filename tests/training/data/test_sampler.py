from collections import Counter
from itertools import pairwise

import numpy as np
import pytest

from clism_core.training.data.sampler import SampleOrder, make_stages, share_out, share_out_steadily
from clism_core.utils.errors import InputError


def make_order(n: int = 50, *, seed: int = 7, **changes: object) -> SampleOrder:
    settings = {
        "lengths": np.random.default_rng(1).integers(5, 100, size=n),
        "pair_codes": np.zeros(n, dtype=np.int64),
        "set_numbers": np.zeros(n, dtype=np.int64),
        "set_weights": [1.0],
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
def test_every_epoch_contains_every_sample_once(window: int) -> None:
    order = make_order(window=window)
    for epoch in range(3):
        assert sorted(ordinals(order, 5 * epoch, 5 * epoch + 5)) == list(range(50))


def test_epochs_that_end_inside_a_window_lose_nothing() -> None:
    order = make_order(n=53, window=4)  # 530 inputs are 10 epochs of 53, and 53 batches are 13.25 windows
    drawn = Counter(ordinals(order, 0, 52))
    assert set(drawn.values()) <= {9, 10}
    assert sum(drawn.values()) == 520


def test_visits_count_earlier_uses_of_a_sample() -> None:
    order = make_order(n=20, window=1)
    visits = [int(v) for step in range(6) for v in order.batch(step).visits_GK.ravel()]
    assert visits == [0] * 20 + [1] * 20 + [2] * 20


def test_epochs_differ() -> None:
    order = make_order()
    assert ordinals(order, 0, 5) != ordinals(order, 5, 10)


@pytest.mark.parametrize("pairs_per_sample", [1, 2])
@pytest.mark.parametrize("workers", [1, 2, 3, 4, 8])
def test_workers_take_turns_in_the_same_global_batches(workers: int, pairs_per_sample: int) -> None:
    """Also where 10 inputs make unequal shares: input i of a batch is that of worker i % workers."""
    stages = make_stages({0.0: pairs_per_sample}, 1000)
    alone, divided = make_order(stages=stages, window=3), make_order(stages=stages, window=3)
    for step in range(40):
        whole = alone.batch(step)
        parts = [divided.batch(step).part(rank, workers) for rank in range(workers)]
        assert max(len(part.ordinals_GK) for part in parts) - min(len(part.ordinals_GK) for part in parts) <= 1
        turns = [divmod(place, workers)[::-1] for place in range(10)]
        assert b"".join(parts[rank].ordinals_GK[row].tobytes() for rank, row in turns) == whole.ordinals_GK.tobytes()
        assert b"".join(parts[rank].visits_GK[row].tobytes() for rank, row in turns) == whole.visits_GK.tobytes()
        assert sum(part.visits_GK.size for part in parts) == 10 * pairs_per_sample


def test_step_does_not_depend_on_earlier_calls() -> None:
    order = make_order(window=3)
    in_turn = [order.batch(step).ordinals_GK.tolist() for step in range(40)]
    assert make_order(window=3).batch(31).ordinals_GK.tolist() == in_turn[31]


def test_order_depends_on_the_seed() -> None:
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
def test_language_pairs_are_sampled_by_size_to_the_alpha(alpha: float, expected: list[int]) -> None:
    codes = np.array([0] * 64 + [1] * 4)
    order = make_order(n=68, pair_codes=codes, sampling_alpha=alpha, global_batch_size=68)
    drawn = codes[order.batch(0).ordinals_GK.ravel()]
    assert [int((drawn == code).sum()) for code in (0, 1)] == expected


def test_small_language_pairs_are_repeated_evenly() -> None:
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


def two_sets(sizes: tuple[int, int], weights: tuple[float, float], **changes: object) -> SampleOrder:
    """Order of two data sets, with the ordinals of the first before those of the second."""
    numbers = np.repeat([0, 1], sizes)
    changes = {"global_batch_size": sum(sizes)} | changes
    return make_order(n=sum(sizes), set_numbers=numbers, set_weights=weights, seed=7, **changes)


def test_order_of_a_single_data_set_is_frozen() -> None:
    """A stopped run must resume in the same order, also one from before mixtures were supported."""
    order = make_order(n=12, pair_codes=np.arange(12) % 2, global_batch_size=4, window=2)
    assert [order.batch(step).ordinals_GK.ravel().tolist() for step in range(6)] == [
        [2, 6, 3, 7],
        [5, 9, 11, 1],
        [4, 8, 8, 11],
        [0, 2, 10, 3],
        [4, 5, 9, 0],
        [1, 6, 10, 7],
    ]


@pytest.mark.parametrize(
    ("sizes", "weights", "expected"),
    [
        pytest.param((60, 30), (1, 1), [45, 45], id="alike, whatever the sizes"),
        pytest.param((60, 30), (2, 1), [60, 30], id="in proportion to the sizes"),
        pytest.param((10, 80), (2, 1), [60, 30], id="the small one more often"),
        pytest.param((10, 80), (0.4, 0.2), [60, 30], id="weights of another scale"),
    ],
)
@pytest.mark.parametrize("alpha", [pytest.param(1.0, id="alpha 1"), pytest.param(0.5, id="alpha 0.5")])
def test_data_sets_are_sampled_in_proportion_to_their_weights(
    sizes: tuple[int, int], weights: tuple[float, float], expected: list[int], alpha: float
) -> None:
    order = two_sets(sizes, weights, pair_codes=np.arange(90) % 3, sampling_alpha=alpha)
    for cycle in range(3):
        drawn = np.repeat([0, 1], sizes)[ordinals(order, cycle, cycle + 1)]
        assert np.bincount(drawn).tolist() == expected


def test_language_pairs_are_sampled_by_their_sizes_within_a_data_set() -> None:
    codes = np.array([0] * 64 + [1] * 4 + [0] * 34 + [1] * 34)  # square roots of the first set: 8 and 2
    order = two_sets((68, 68), (1, 1), pair_codes=codes, sampling_alpha=0.5)
    drawn = ordinals(order, 0, 1)
    assert Counter((i >= 68, int(codes[i])) for i in drawn) == {
        (False, 0): 54,
        (False, 1): 14,
        (True, 0): 34,
        (True, 1): 34,
    }


@pytest.mark.parametrize("pairs_per_sample", [1, 3])
def test_every_sample_of_a_data_set_is_used_before_any_is_repeated(pairs_per_sample: int) -> None:
    stages = make_stages({0.0: pairs_per_sample}, 1000)
    order = two_sets((12, 60), (1, 2), global_batch_size=4, stages=stages)
    drawn: Counter[int] = Counter()
    for step in range(60):
        batch = order.batch(step)
        inputs = zip(batch.visits_GK.ravel().tolist(), batch.ordinals_GK.ravel().tolist(), strict=True)
        for visit, ordinal in sorted(inputs):  # a batch is sorted by length, and an epoch may end in its midst
            assert visit == drawn[ordinal]
            drawn[ordinal] += 1
        for members in (range(12), range(12, 72)):
            times = [drawn[i] for i in members]
            assert max(times) - min(times) <= 1
    assert min(drawn.values()) > 1


def test_data_sets_are_mixed_within_a_cycle() -> None:
    order = two_sets((500, 500), (1, 1), global_batch_size=50)
    shares = [sum(i < 500 for i in ordinals(order, step, step + 1)) for step in range(20)]
    assert sum(shares) == 500
    assert all(10 <= share <= 40 for share in shares)  # 25 on average, 3.5 of standard deviation
    assert len(set(shares)) > 1


def test_joined_pairs_are_of_one_data_set() -> None:
    order = two_sets((40, 20), (1, 1), stages=make_stages({0.0: 4}, 10), global_batch_size=15)
    groups = order.batch(0).ordinals_GK >= 40
    assert groups.shape == (15, 4)
    assert (groups == groups[:, :1]).all()


def test_step_of_a_mixture_does_not_depend_on_earlier_calls() -> None:
    def make() -> SampleOrder:
        return two_sets((50, 7), (1, 3), window=3, global_batch_size=10)

    order = make()
    in_turn = [order.batch(step) for step in range(40)]
    for step in (31, 0, 17):
        for column, again in zip(in_turn[step], make().batch(step), strict=True):
            assert column.tolist() == again.tolist()


def test_data_sets_of_equal_size_have_different_orders() -> None:
    lengths = np.zeros(100, dtype=np.int64)  # so that nothing is sorted
    order = two_sets((50, 50), (1, 1), lengths=lengths)
    drawn = ordinals(order, 0, 1)
    assert [i for i in drawn if i < 50] != [i - 50 for i in drawn if i >= 50]


def test_passes_are_uses_per_sample() -> None:
    order = two_sets((10, 80), (2, 1), stages=make_stages({0.0: 1}, 30))
    drawn = Counter(i < 10 for i in ordinals(order, 0, 30))
    assert order.passes() == [drawn[True] / 10, drawn[False] / 80] == [180.0, 11.25]


def test_too_small_weight_is_an_input_error() -> None:
    with pytest.raises(InputError, match=r"--data: the weight 0\.001 is too small beside 1"):
        two_sets((50, 50), (1, 0.001))


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


@pytest.mark.parametrize(
    ("total", "weights", "parts"),
    [
        pytest.param(0, [3, 1], [0, 0], id="nothing"),
        pytest.param(7, [7], [7], id="one part"),
        pytest.param(8, [3, 1], [6, 2], id="exact"),
        pytest.param(1, [1, 1, 1], [1, 0, 0], id="one to the first of three alike"),
        pytest.param(5, [1, 1, 1], [2, 2, 1], id="five to three alike"),
        pytest.param(7, [3, 1, 1, 1], [4, 1, 1, 1], id="three quarters of 7 halved at 3.5"),
        pytest.param(4, [9, 1], [4, 0], id="0.4 of a piece is none"),
        pytest.param(5, [9, 1], [5, 0], id="0.5 is as early as the greater part's fifth, which is first"),
        pytest.param(6, [9, 1], [5, 1], id="0.6 is one"),
    ],
)
def test_share_out_steadily(total: int, weights: list[float], parts: list[int]) -> None:
    assert share_out_steadily(total, np.array(weights, dtype=float)).tolist() == parts


@pytest.mark.parametrize("alpha", [0.0, 0.3, 0.5, 1.0])
@pytest.mark.parametrize("sizes", [[1000, 1], [7] * 5, [90, 10, 3, 2, 1, 1, 1], [1] * 40 + [10]])
def test_greater_total_makes_no_part_smaller(sizes: list[int], alpha: float) -> None:
    weights = np.array(sizes, dtype=float) ** alpha
    before = np.zeros(len(sizes), dtype=np.int64)
    for total in range(1, 400):
        parts = share_out_steadily(total, weights)
        assert (parts - before).tolist().count(1) == 1
        assert parts.sum() == total
        before = parts


def test_language_pair_too_small_for_a_group_per_epoch_is_used_in_some() -> None:
    """1,001 samples give 250 groups per epoch: the pair with one sample has a group in about every fourth epoch."""
    order = make_order(
        n=1001,
        pair_codes=np.array([0] * 1000 + [1]),
        stages=make_stages({0.0: 4}, 100),
        global_batch_size=250,
    )
    drawn = [sum(i == 1000 for i in ordinals(order, epoch, epoch + 1)) for epoch in range(40)]
    assert set(drawn) == {0, 4}
    assert sum(drawn) == 4 * 10


def test_no_language_pair_is_preferred_in_every_epoch() -> None:
    """Two pairs of 10 samples have 5 groups of four per epoch: 2 and 3, then 3 and 2."""
    order = make_order(n=20, pair_codes=np.repeat([0, 1], 10), stages=make_stages({0.0: 4}, 100), global_batch_size=5)
    drawn = Counter(ordinals(order, 0, 20))
    assert set(drawn.values()) == {20}  # 20 epochs of 20 samples


def test_visits_continue_over_epochs_with_unequal_quotas() -> None:
    order = make_order(n=21, pair_codes=np.array([0] * 18 + [1] * 3), stages=make_stages({0.0: 2}, 50))
    drawn: Counter[int] = Counter()
    for step in range(40):
        batch = order.batch(step)
        inputs = zip(batch.visits_GK.ravel().tolist(), batch.ordinals_GK.ravel().tolist(), strict=True)
        for visit, ordinal in sorted(inputs):
            assert visit == drawn[ordinal]
            drawn[ordinal] += 1
    assert min(drawn.values()) > 30
