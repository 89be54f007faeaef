import logging

import pytest

from clism_core.utils.text import (
    PrintableFormatter,
    csv_cell,
    describe,
    json_object,
    listed,
    printable,
    printable_lines,
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("größer 語", "größer 語", id="letters"),
        pytest.param("\x1b]0;title\x07", r"\x1b]0;title\x07", id="escape-sequence"),
        pytest.param("a\u202eb\n", r"a\u202eb\n", id="direction"),
    ],
)
def test_printable(text: str, expected: str) -> None:
    assert printable(text) == expected


def test_line_breaks_remain_in_printable_lines() -> None:
    assert printable_lines("a\n\x1b[2J\r\x9bm\n") == "a\n\\x1b[2J\\r\\x9bm\n"


def test_log_records_are_printable() -> None:
    record = logging.makeLogRecord({"msg": "row %s\nnext", "args": ("\x1b]8;;http://x\x07link",)})
    assert PrintableFormatter().format(record) == "row \\x1b]8;;http://x\\x07link\nnext"


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        pytest.param('=HYPERLINK("http://x")', '\'=HYPERLINK("http://x")', id="equals"),
        pytest.param("+1+cmd|'/C calc'!A0", "'+1+cmd|'/C calc'!A0", id="plus"),
        pytest.param("-2+3", "'-2+3", id="minus"),
        pytest.param("@SUM(A1)", "'@SUM(A1)", id="at"),
        pytest.param("\t=1", "'\t=1", id="tab"),
        pytest.param("\r=1", "'\r=1", id="carriage-return"),
        pytest.param("-", "'-", id="dash"),
        pytest.param("-1.5", "-1.5", id="negative"),
        pytest.param("+3", "+3", id="signed"),
        pytest.param("-.5e-3", "-.5e-3", id="exponent"),
        pytest.param(-2.5, -2.5, id="float"),
        pytest.param(None, None, id="null"),
        pytest.param("a=1", "a=1", id="within"),
        pytest.param("", "", id="empty"),
    ],
)
def test_csv_cells_are_no_formulas(value: object, expected: object) -> None:
    assert csv_cell(value) == expected


def test_long_lists_and_names_are_truncated() -> None:
    assert listed(["en", "de"]) == "en, de"
    assert listed(["x" * 80]) == "x" * 80
    assert listed(["x" * 81]) == "x" * 80 + "..."
    assert listed(map(str, range(20))).endswith("18, 19")
    assert listed(map(str, range(21))).endswith("18, 19, ...")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param('{"a": [1, "b"]}', {"a": [1, "b"]}, id="object"),
        pytest.param("[1]", None, id="list"),
        pytest.param("{", None, id="not JSON"),
        pytest.param("", None, id="empty"),
        pytest.param("[" * 100_000, None, id="nested too deeply"),
    ],
)
def test_json_object(text: str, expected: dict[str, object] | None) -> None:
    assert json_object(text) == expected


def test_values_in_one_line() -> None:
    assert describe({"seed": 3, "rate": 0.123456, "small": 1e-05, "name": "x", "none": None}) == (
        "seed 3, rate 0.1235, small 1e-05, name x, none None"
    )
    assert describe({}) == ""
