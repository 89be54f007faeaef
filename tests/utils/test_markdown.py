from table_cells import table_cells

from clism_core.utils.markdown import markdown_table


def test_text_is_left_aligned_and_numbers_are_right_aligned() -> None:
    assert markdown_table(["", "f1"], [["en-de", "1.0"], ["en", "12.25"]]).splitlines() == [
        "|       |    f1 |",
        "|:------|------:|",
        "| en-de |   1.0 |",
        "| en    | 12.25 |",
    ]


def test_numbers_keep_their_format() -> None:
    table = markdown_table(["a", "b"], [["100.0", "+0.10"], ["1e3", "007"]], left=0)
    assert table_cells(table)[2:] == [["100.0", "+0.10"], ["1e3", "007"]]


def test_pipes_and_newlines_do_not_split_a_cell() -> None:
    assert "no \\| room here" in markdown_table(["a"], [["no | room\nhere"]])


def test_table_without_rows_has_a_header() -> None:
    assert markdown_table(["a", "b"], []).startswith("| a")
