"""Markdown tables that are also readable in a terminal."""

from collections.abc import Iterable, Sequence

from tabulate import tabulate


def markdown_table(header: Sequence[str], rows: Iterable[Sequence[str]], *, left: int = 1) -> str:
    """Return a Markdown table without a trailing newline.

    Args:
        header: names of the columns.
        rows: cells of each row, one per column.
        left: number of leading columns that are left-aligned (text); the others are right-aligned (numbers).
    """
    alignment = ["left"] * left + ["right"] * (len(header) - left)
    lines = tabulate(
        [[_cell(text) for text in row] for row in rows],
        headers=[_cell(name) for name in header],
        tablefmt="pipe",
        disable_numparse=True,
        colglobalalign="left",
        colalign=alignment,
        headersalign=alignment,
    )
    return str(lines)


def _cell(text: str) -> str:
    return " ".join(text.replace("|", "\\|").split())
