import hashlib
import uuid

import pytest

from clism_core.preparation.cell_contents import content_of_cells

DIGESTS = [hashlib.sha1(bytes([number])).hexdigest() for number in range(40)]


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        pytest.param(["1.0375", "0.98", "1"], "numbers", id="scores"),
        pytest.param(["1,234.5", "-7", "3 %", "1e-05", "nan", "٣٫١٤".replace("٫", ".")], "numbers", id="numbers"),
        pytest.param(["0.5 0.7", "1 2"], "numbers", id="several-numbers"),
        pytest.param(["2020-01-31", "31/12/2019", "2020-01-31T10:00:00Z", "10:30"], "dates or times", id="dates"),
        pytest.param(["http://x.org/a b".replace(" ", "%20"), "www.x.org", "a.b@x.org"], "addresses", id="addresses"),
        pytest.param(["en.wikipedia.org/wiki/Berlin", "x.de/"], "addresses", id="addresses-without-a-scheme"),
        pytest.param(['{"en": "The house"}', '["a", "b"]'], "JSON", id="json"),
        pytest.param(["data/en/1.txt", "C:\\x", "talk.wav"], "file names", id="file-names"),
        pytest.param(DIGESTS, "identifiers", id="digests"),
        pytest.param([str(uuid.UUID(int=1 << number)) for number in range(40)], "identifiers", id="uuids"),
        pytest.param(["doc_17", "en-0042", "Q42", "tatoeba:7"], "identifiers", id="identifiers"),
        pytest.param(["-", "...", "♪ ♪"], "symbols", id="symbols"),
        pytest.param(["en"] * 40, "labels", id="languages"),
        pytest.param((["OpenSubtitles"] * 19 + ["Wikipedia"]) * 2, "labels", id="sources"),
        pytest.param(["1", " ", "2", ""], "numbers", id="blank-cells"),
        pytest.param(["1.5"] * 9 + ["The house is old."], "numbers", id="nine-in-ten"),
        pytest.param(["1", "2", "Q1", "http://x.org"] * 2 + ["3"], "numbers", id="several-kinds"),
    ],
)
def test_cells_that_hold_no_text(cells: list[str], expected: str) -> None:
    assert content_of_cells(cells) == expected


@pytest.mark.parametrize(
    "cells",
    [
        pytest.param([], id="none"),
        pytest.param(["", " "], id="blank"),
        pytest.param(["It rose by 3.5 % in 2019.", "10 houses", "No 5"], id="sentences-with-numbers"),
        pytest.param(["See http://x.org now", "either/or it is"], id="sentences-with-addresses"),
        pytest.param(["我有3个苹果。", "2019年", "他说/她说"], id="sentences-without-spaces"),
        pytest.param([f"{chr(97 + number)}house" for number in range(20)], id="a-dictionary"),
        pytest.param(["Ja.", "Nein!", "Gut"], id="short-sentences"),
        pytest.param(["The house is old."] * 40, id="one-sentence-repeated"),
        pytest.param(["こんにちは"] * 40, id="one-sentence-repeated-without-spaces"),
        pytest.param(["1.5"] * 8 + ["The house", "is old"], id="eight-in-ten"),
        pytest.param(["Café", "naïve", "größer"], id="words-with-accents"),
    ],
)
def test_cells_that_may_hold_text(cells: list[str]) -> None:
    assert content_of_cells(cells) is None
