"""Tables as Markdown, which people read in terminals, too."""

from collections.abc import Iterable, Sequence

from tabulate import tabulate


def markdown_table(header: Sequence[str], rows: Iterable[Sequence[str]], *, left: int = 1) -> str:
    """Return a table in Markdown without a last line break.

    Args:
        header: the names of the columns.
        rows: their cells, one for each column.
        left: how many columns, from the first, hold text, which begins at the left; numbers end at the right.
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
