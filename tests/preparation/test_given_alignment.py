from pathlib import Path

import pytest

from clism_core.preparation.corpus import CorpusConfig, RawRow
from clism_core.preparation.given_alignment import check_alignments, count_words, given_links
from clism_core.preparation.schema import RejectReason
from clism_core.utils.errors import InputError


@pytest.mark.parametrize(
    ("text", "count"),
    [
        pytest.param(" He  paid\t10 euros \r", 4, id="ascii"),
        pytest.param("He paid 10\u00a0000 euros", None, id="no-break-space"),
        pytest.param("Ça va\u202f?", None, id="narrow-no-break-space"),
        pytest.param("東京\u3000大阪", None, id="ideographic-space"),
        pytest.param("one\u2028two", None, id="line-separator"),
        pytest.param("one\ftwo", None, id="form-feed"),
        pytest.param("one\u2003 two", 2, id="beside-an-ascii-space"),
        pytest.param("one\u200btwo", 1, id="no-white-space"),
        pytest.param("", 0, id="empty"),
    ],
)
def test_words_as_aligners_count_them(text: str, count: int | None) -> None:
    assert count_words(text) == count


@pytest.mark.parametrize(
    ("alignment", "base", "counts", "links"),
    [
        pytest.param("0-0 1-2", 0, (2, 3), {(0, 0), (1, 2)}, id="from-0"),
        pytest.param("1-1 2-3", 1, (2, 3), {(0, 0), (1, 2)}, id="from-1"),
        pytest.param("0-0", 1, (2, 3), None, id="0-if-counted-from-1"),
        pytest.param("2-0", 0, (2, 3), None, id="beyond-the-source"),
        pytest.param("0-3", 0, (2, 3), None, id="beyond-the-target"),
        pytest.param("0:0", 0, (2, 3), None, id="no-links"),
        pytest.param("0-0", 0, (None, 3), None, id="unknown-count"),
        pytest.param("", 0, (2, 3), set(), id="empty"),
    ],
)
def test_given_links(
    alignment: str, base: int, counts: tuple[int | None, int | None], links: set[tuple[int, int]] | None
) -> None:
    assert given_links(alignment, base=base, counts=counts) == links


PAIRS = [
    ("Anna lives in Rome .", "In Rom wohnt Anna heute .", "0-3 1-2 2-0 3-1 4-5"),
    ("Rome is very old .", "Rom ist alt .", "0-0 1-1 3-2 4-3"),
    ("It rains .", "Es regnet nicht mehr .", "0-0 1-1 2-4"),
]


def shifted(alignment: str, step: int) -> str:
    return " ".join("-".join(str(int(number) + step) for number in link.split("-")) for link in alignment.split())


def swapped(alignment: str) -> str:
    return " ".join("-".join(reversed(link.split("-"))) for link in alignment.split())


def check(folder: Path, alignments: list[str], *, base: int = 0, rows: list[RawRow] | None = None) -> None:
    path = folder / "links"
    path.write_text("".join(f"{line}\n" for line in alignments))
    given = [RawRow("c.tsv", number, *PAIRS[number % len(PAIRS)][:2]) for number in range(len(alignments))]
    corpus = CorpusConfig("c.tsv", "en", "de", alignment_path=str(path), alignment_base=base)  # type: ignore[arg-type]
    check_alignments(given if rows is None else rows, corpus=corpus)


@pytest.mark.parametrize("times", [1, 10, 100])
def test_alignments_that_fit(times: int, tmp_path: Path) -> None:
    good = [links for *_, links in PAIRS] * times
    check(tmp_path, good)
    check(tmp_path, [shifted(links, 1) for links in good], base=1)
    check(tmp_path, [*good, "9-9"])


@pytest.mark.parametrize("times", [1, 10, 100])
@pytest.mark.parametrize(
    ("base", "step", "swap", "message"),
    [
        pytest.param(0, 1, False, r"seem to be counted from 1; give alignment_base: 1$", id="from-1"),
        pytest.param(1, 0, False, r"seem to be counted from 0; give alignment_base: 0$", id="from-0"),
        pytest.param(0, 0, True, r"seem to be target-source; swap the two numbers of each link$", id="reversed"),
        pytest.param(
            0, 1, True, r"target-source; swap .* and words .* counted from 1; give alignment_base: 1$", id="both"
        ),
    ],
)
def test_numbers_of_another_meaning(times: int, base: int, step: int, swap: bool, message: str, tmp_path: Path) -> None:
    given = [shifted(links, step) for *_, links in PAIRS] * times
    with pytest.raises(InputError, match=message):
        check(tmp_path, [swapped(links) for links in given] if swap else given, base=base)


@pytest.mark.parametrize(
    ("alignments", "message"),
    [
        pytest.param(
            ["0-0 7-7"] * 3 + ["0-0"] * 17,
            "3 of the first 20 alignments have links to words that their sentences do not have: give the alignments of "
            "these sentences",
            id="of-other-sentences",
        ),
        pytest.param(["0-0:0.8"] * 20, "20 of the first 20 alignments are not of the form 0-0 1-2", id="scores"),
        pytest.param(["0:0"] * 2 + ["0-0"] * 18, "2 of the first 20 alignments are not", id="tenth-unreadable"),
    ],
)
def test_other_alignments(alignments: list[str], message: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=message):
        check(tmp_path, alignments)


def test_few_alignments_that_do_not_fit_become_rejects(tmp_path: Path) -> None:
    check(tmp_path, ["0-0 7-7"] * 3 + ["0-0"] * 57)
    check(tmp_path, ["0:0"] * 3)


def test_rows_without_a_count_of_words_are_left_out(tmp_path: Path) -> None:
    rows = [
        RawRow("c.tsv", 1, "one\u00a0two", "eins\u00a0zwei"),
        RawRow("c.tsv", 2, reason=RejectReason.WRONG_COLUMN_COUNT),
    ]
    check(tmp_path, ["1-1", "1-1"], rows=rows)
    check(tmp_path, ["", ""], rows=rows)
