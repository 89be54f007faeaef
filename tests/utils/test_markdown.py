from table_cells import table_cells

from clism_core.utils.markdown import markdown_table


def test_texts_stand_at_the_left_and_numbers_at_the_right() -> None:
    assert markdown_table(["", "f1"], [["en-de", "1.0"], ["en", "12.25"]]).splitlines() == [
        "|       |    f1 |",
        "|:------|------:|",
        "| en-de |   1.0 |",
        "| en    | 12.25 |",
    ]


def test_figures_stay_as_they_are_written() -> None:
    table = markdown_table(["a", "b"], [["100.0", "+0.10"], ["1e3", "007"]], left=0)
    assert table_cells(table)[2:] == [["100.0", "+0.10"], ["1e3", "007"]]


def test_a_cell_stays_one_cell() -> None:
    assert "no \\| room here" in markdown_table(["a"], [["no | room\nhere"]])


def test_a_table_without_rows_has_its_header() -> None:
    assert markdown_table(["a", "b"], []).startswith("| a")
