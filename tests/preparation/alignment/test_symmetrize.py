import pytest

from clism_core.preparation.alignment.pharaoh import format_links, parse_links
from clism_core.preparation.alignment.symmetrize import Symmetrization, grow, symmetrize
from clism_core.preparation.spans import Link


def links(text: str) -> set[Link]:
    parsed = parse_links(text)
    assert parsed is not None
    return parsed


@pytest.mark.parametrize(
    ("forward", "reverse", "expected"),
    [
        pytest.param("0-0 1-1", "0-0 1-1", "0-0 1-1", id="agreed"),
        pytest.param("0-0 1-1", "0-0 1-0", "0-0 1-0 1-1", id="target-1-is-still-free"),
        pytest.param("0-0 1-0", "0-0 0-1", "0-0 0-1 1-0", id="both-neighbours-of-a-corner"),
        pytest.param("0-0 1-0 2-0", "0-0", "0-0 1-0 2-0", id="grows-step-by-step"),
        pytest.param("0-0 2-0", "0-0", "0-0", id="no-jump-to-an-aligned-target"),
        pytest.param("0-0 3-3", "0-0", "0-0 3-3", id="final-and-takes-what-is-free-on-both-sides"),
        pytest.param("0-0 3-0", "0-0 3-2", "0-0 3-2", id="final-and-of-the-reverse-direction"),
        pytest.param("0-2", "2-0", "0-2 2-0", id="nothing-agreed"),
        pytest.param("1-1", "1-1 2-2", "1-1 2-2", id="diagonal-neighbour"),
        pytest.param("0-0 1-1 0-1", "0-0 1-1 1-0", "0-0 1-1", id="both-words-aligned-already"),
        pytest.param("", "", "", id="empty"),
    ],
)
def test_grow_diag_final_and(forward: str, reverse: str, expected: str) -> None:
    assert format_links(symmetrize(links(forward), links(reverse), "grow_diag_final_and")) == expected


@pytest.mark.parametrize(
    ("method", "expected"),
    [
        pytest.param("intersection", "0-0", id="intersection"),
        pytest.param("grow_diag", "0-0 1-0", id="grow-diag"),
        pytest.param("grow_diag_final_and", "0-0 1-0 3-3", id="final-and"),
        pytest.param("union", "0-0 1-0 3-0 3-3", id="union"),
    ],
)
def test_methods_give_increasing_numbers_of_links(method: Symmetrization, expected: str) -> None:
    assert format_links(symmetrize(links("0-0 1-0 3-0"), links("0-0 3-3"), method)) == expected


@pytest.mark.parametrize(
    ("alignment", "candidates", "expected"),
    [
        pytest.param("0-0", ["1-0"], "0-0 1-0", id="beside-and-free"),
        pytest.param("0-0", ["1-1"], "0-0 1-1", id="diagonal"),
        pytest.param("0-0", ["2-0"], "0-0", id="not-beside"),
        pytest.param("0-0", ["2-2", "1-1"], "0-0 1-1 2-2", id="reached-by-another"),
        pytest.param("0-0 1-1", ["0-1"], "0-0 1-1", id="both-words-aligned"),
        pytest.param("0-0 2-2", ["1-2", "1-0"], "0-0 1-2 2-2", id="the-better-one-takes-the-word"),
        pytest.param("0-0 2-2", ["1-0", "1-2"], "0-0 1-0 2-2", id="the-other-order"),
        pytest.param("", ["0-0"], "", id="nothing-to-grow-from"),
    ],
)
def test_grow(alignment: str, candidates: list[str], expected: str) -> None:
    best_first = [link for text in candidates for link in links(text)]
    assert format_links(grow(links(alignment), best_first)) == expected


@pytest.mark.parametrize(
    "line",
    [
        *("0-", "1:2", "0-0,1-1", "a-b", "-1-0", "0-0 1234567890-1"),
        pytest.param(f"0-{'1' * 5000}", id="more digits than int takes"),
    ],
)
def test_malformed_alignments_are_not_parsed(line: str) -> None:
    assert parse_links(line) is None


def test_links_are_sorted_when_written() -> None:
    assert format_links(links(" 10-1 2-3\t2-0\n")) == "2-0 2-3 10-1"
