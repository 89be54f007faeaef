from pathlib import Path

import numpy as np
import pytest
from alignment_gold import GoldSet, read_corpus, read_gold
from alignment_scores import MEASURES, Estimate, as_error, count, difference, estimate

from clism_core.preparation.spans import Link
from clism_core.utils.errors import InputError

GOLD: list[set[Link]] = [{(0, 0), (1, 1)}, {(0, 0)}]
FOUND: list[set[Link]] = [{(0, 0), (1, 0), (2, 2)}, {(0, 0)}]


def test_counts() -> None:
    assert count(FOUND, GOLD).tolist() == [[1, 3, 2], [1, 1, 1]]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        pytest.param("precision", 100 * 2 / 4, id="precision"),
        pytest.param("recall", 100 * 2 / 3, id="recall"),
        pytest.param("f1", 100 * 4 / 7, id="f1"),
    ],
)
def test_measures_sum_over_sentences(name: str, value: float) -> None:
    found = estimate(count(FOUND, GOLD), name=name, seed=0)
    assert found.value == pytest.approx(value)
    # The sentences drawn are the first twice, both, or the second twice, which has 100 of everything.
    assert found.low < found.value < found.high == 100


@pytest.mark.parametrize("name", MEASURES)
def test_interval_of_equal_sentences_is_a_point(name: str) -> None:
    counts = np.array([[1, 2, 2]] * 5)
    assert estimate(counts, name=name, seed=0) == pytest.approx((50, 50, 50))


def test_difference_is_paired() -> None:
    worse, better = np.array([[k, 10, 10] for k in range(5)]), np.array([[k + 1, 10, 10] for k in range(5)])
    assert difference(better, worse, name="f1", seed=0) == pytest.approx((10, 10, 10))


def test_error_rate() -> None:
    assert as_error(Estimate(80, 70, 85)) == (20, 15, 30)


def test_gold_file(tmp_path: Path) -> None:
    path = tmp_path / "gold.tsv"
    path.write_text("a b .\tx y\t0-1 -1-0 1--1 2-1\n", encoding="utf-8")
    ((source, target, links),) = read_gold(str(path))
    assert (source, target, links) == (["a", "b", "."], ["x", "y"], {(0, 1), (2, 1)})


@pytest.mark.parametrize(
    ("line", "message"),
    [
        pytest.param("a\tb", ":1: 2 columns", id="columns"),
        pytest.param("a\tb\t0-1", ":1: invalid links", id="no-such-word"),
        pytest.param("a\tb\t0:0", ":1: invalid links", id="no-links"),
    ],
)
def test_invalid_gold_file(tmp_path: Path, line: str, message: str) -> None:
    path = tmp_path / "gold.tsv"
    path.write_text(line, encoding="utf-8")
    with pytest.raises(InputError, match=message):
        read_gold(str(path))


def test_corpus_is_segmented_as_in_prepare(tmp_path: Path) -> None:
    path = tmp_path / "corpus.tsv"
    path.write_text("Hi,  you.\tSalut, toi.\torigin\nHi, you.\tSalut, toi.\nsame\tSame\n\tx\nlone\n", encoding="utf-8")
    gold = GoldSet(path="", source_lang="en", target_lang="fr", corpus=str(path))
    assert read_corpus(gold) == [(["Hi", ",", "you", "."], ["Salut", ",", "toi", "."])]
