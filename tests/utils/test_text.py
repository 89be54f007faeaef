import pytest

from clism_core.utils.text import describe, json_object, listed, printable


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
