from collections.abc import Sequence

import numpy as np
import pytest

from clism_core.evaluation.bootstrap import compare, confidence_interval
from clism_core.tasks.scored_examples import ScoredExamples
from clism_core.utils.errors import InputError


def _examples(
    numerators: Sequence[float],
    denominators: Sequence[float] | None = None,
    *,
    ids: Sequence[str] | None = None,
    scorer: str = "squad-1.1",
    score: str = "f1",
) -> ScoredExamples:
    return ScoredExamples(
        scorer=scorer,
        score=score,
        ids=tuple(ids if ids is not None else (f"q{i:03}" for i in range(len(numerators)))),
        numerators=np.array(numerators, dtype=np.float64),
        denominators=np.ones(len(numerators)) if denominators is None else np.array(denominators, dtype=np.float64),
    )


HALF_RIGHT = [0.0, 100.0] * 200  # a standard error of 50 / sqrt(400) = 2.5


@pytest.mark.parametrize(
    ("tests", "confidence", "expected"),
    [
        pytest.param([_examples(HALF_RIGHT)], 0.95, (50 - 1.96 * 2.5, 50 + 1.96 * 2.5), id="95 %"),
        pytest.param([_examples(HALF_RIGHT)], 0.5, (50 - 0.674 * 2.5, 50 + 0.674 * 2.5), id="50 %"),
        pytest.param(
            [_examples(HALF_RIGHT), _examples([80.0] * 30)],
            0.95,
            (65 - 1.96 * 1.25, 65 + 1.96 * 1.25),
            id="mean of two test sets of different size",
        ),
        pytest.param([_examples([0.0, 100.0])], 0.95, (0, 100), id="two examples"),  # 0, 50, 100 by 1, 2, 1 of 4
        pytest.param([_examples([70.0] * 5)], 0.95, (70, 70), id="examples that score the same"),
        pytest.param(
            [_examples([200.0, 0.0] * 50, [2.0, 0.0] * 50)], 0.95, (100, 100), id="sentences without entities"
        ),
        pytest.param([_examples([0.0] * 5, [0.0] * 5)], 0.95, (0, 0), id="no entities at all"),
    ],
)
def test_confidence_interval(tests: list[ScoredExamples], confidence: float, expected: tuple[float, float]) -> None:
    assert confidence_interval(tests, confidence=confidence) == pytest.approx(expected, abs=0.3)


def test_micro_f1_varies_with_long_sentences() -> None:
    # one draw in four holds no long sentence, one only those, the others both: 100, 0 and 2 * 1 / (2 + 18)
    tests = [_examples([200.0, 0.0], [2.0, 18.0])]
    assert confidence_interval(tests, confidence=0.4) == pytest.approx((10, 10))
    assert confidence_interval(tests, confidence=0.6) == (0.0, 100.0)


def test_resamples_depend_only_on_the_seed() -> None:
    tests = [_examples(list(range(37)))]
    first = confidence_interval(tests, seed=1, resamples=199)
    assert first == confidence_interval(tests, seed=1, resamples=199)
    assert first != confidence_interval(tests, seed=2, resamples=199)


def test_one_example_has_no_interval() -> None:
    assert confidence_interval([_examples([100.0]), _examples(HALF_RIGHT)]) is None


def test_no_test_sets_are_rejected() -> None:
    with pytest.raises(InputError, match="at least one test set"):
        confidence_interval([])


@pytest.mark.parametrize(
    ("challenger", "champion", "difference", "p_value"),
    [
        # 2 of 8 deals are as extreme
        pytest.param([_examples([100.0] * 3)], [_examples([0.0] * 3)], 100, 2 / 8, id="always better"),
        pytest.param([_examples([0.0] * 3)], [_examples([100.0] * 3)], -100, 2 / 8, id="always worse"),
        # three of four better: 1 + 4 of 16 deals are as good, as many as bad
        pytest.param(
            [_examples([100 / 3] * 3 + [0.0])], [_examples([0.0] * 3 + [100 / 3])], 50 / 3, 10 / 16, id="mostly better"
        ),
        pytest.param([_examples([30.0, 60.0])], [_examples([30.0, 60.0])], 0, 1, id="the same"),
        # the other way round it is as extreme; the examples in which the systems agree tell nothing
        pytest.param([_examples([30.0, 60.0, 9.0])], [_examples([30.0, 0.0, 9.0])], 20, 1, id="one differs"),
        # three better and three worse by as much: no deal is less extreme than none, whatever the sums are rounded to
        pytest.param(
            [_examples([170 / 7] * 3 + [100 / 7] * 3)],
            [_examples([100 / 7] * 3 + [170 / 7] * 3)],
            0,
            1,
            id="equal sums",
        ),
        # F1 100 against 0; with either sentence dealt the other way 50 against 200 / 3
        pytest.param([_examples([200.0, 200.0], [2, 2])], [_examples([0.0, 0.0], [2, 1])], 100, 2 / 4, id="micro F1"),
        # as good only with both of the first set (1 of 4) and the one of the second that differs (1 of 2)
        pytest.param(
            [_examples([100.0, 100.0]), _examples([0.0, 0.0, 100.0])],
            [_examples([0.0, 0.0]), _examples([0.0] * 3)],
            200 / 3,
            2 / 8,
            id="two test sets",
        ),
        # too many deals to try all: none of 9,999 is as good, and the one at hand counts as one more, on either side
        pytest.param([_examples([100.0] * 60)], [_examples([0.0] * 60)], 100, 2 / 10_000, id="by chance"),
    ],
)
def test_paired_test(
    challenger: list[ScoredExamples], champion: list[ScoredExamples], difference: float, p_value: float
) -> None:
    found = compare(challenger, champion)
    assert found.difference == pytest.approx(difference)
    assert found.p_value == pytest.approx(p_value)


def test_the_interval_of_the_difference_is_paired() -> None:
    # scores that vary much, and one system always 5 points better: pairs tell it for certain
    better = [value + 5.0 for value in HALF_RIGHT]
    assert compare([_examples(better)], [_examples(HALF_RIGHT)], resamples=199).interval == pytest.approx((5, 5))


def test_the_interval_of_a_difference_that_varies() -> None:
    # differences of 100 and 0, half and half
    found = compare([_examples([100.0] * 400)], [_examples(HALF_RIGHT)])
    assert found.interval == pytest.approx((50 - 4.9, 50 + 4.9), abs=0.3)


PAIR = _examples([0.0, 100.0], ids=["a", "b"])


@pytest.mark.parametrize(
    ("challenger", "champion", "message"),
    [
        pytest.param([], [], "0 and on 0 test sets", id="no test sets"),
        pytest.param([PAIR, PAIR], [PAIR], "2 and on 1 test sets", id="a test set less"),
        pytest.param([PAIR], [_examples([0.0, 1.0], ids=["a", "c"])], "1: example 'b'", id="other examples"),
        pytest.param(
            [PAIR, PAIR], [PAIR, _examples([0.0], ids=["b"])], "2: example 'a'", id="an example less in the second set"
        ),
        pytest.param(
            [PAIR], [_examples([0.0, 1.0], ids=["a", "b"], scorer="mlqa-1.0")], "f1 of mlqa-1.0", id="another scorer"
        ),
        pytest.param(
            [PAIR],
            [_examples([0.0, 1.0], ids=["a", "b"], score="exact_match")],
            "exact_match of squad-1.1",
            id="another score",
        ),
        pytest.param([_examples([1.0])], [_examples([1.0])], "fewer than two examples", id="one example"),
    ],
)
def test_incomparable_systems_are_rejected(
    challenger: list[ScoredExamples], champion: list[ScoredExamples], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        compare(challenger, champion)
