"""Reading the tables that people are shown."""

import re


def table_cells(markdown: str) -> list[list[str]]:
    """Return the cells of all lines of tables, those of the rule below the header among them."""
    lines = [line for line in markdown.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines]
