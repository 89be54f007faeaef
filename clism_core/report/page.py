"""The report: one self-contained page without scripts, which needs no network.

Texts of corpora, models and predictions are not trusted: they are escaped, and the page's content security policy
allows its own style and embedded pictures only.
"""

import json
from collections.abc import Sequence
from typing import Any, NamedTuple

from clism_core.inference.row_readers import Row, columns_of, file_format, read_chunks, rows_of
from clism_core.preparation import report as preparation_report
from clism_core.report.samples import ShownSample
from clism_core.report.steps import Step
from clism_core.tracking.run import ui_command
from clism_core.utils import storage
from clism_core.utils.errors import InputError
from clism_core.utils.html_page import asset, content_policy, template

MAX_PREDICTIONS = 50


class Predictions(NamedTuple):
    """Predicted rows as a table of texts."""

    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    """The first rows, at most `MAX_PREDICTIONS`, with a text for each column."""
    total: int
    """Number of all rows."""


def read_predictions(file: str) -> Predictions:
    """Return the rows of a file that jobs/predict.py has written.

    Raises:
        InputError: if it is not there, or has a row that cannot be read.
    """
    kind = file_format(file, option="predictions")
    if not storage.exists(file):
        raise InputError(f"--predictions {file}: does not exist; give the --output of jobs/predict.py")
    rows: list[Row] = []
    total = 0
    for chunk in read_chunks(file):
        total += chunk.rows
        if len(rows) < MAX_PREDICTIONS:
            rows += rows_of(chunk, kind)
    shown = rows[:MAX_PREDICTIONS]
    for row in shown:
        if row.values is None:
            raise InputError(f"--predictions {file}: row {row.number} cannot be read; give a file of jobs/predict.py")
    columns = columns_of(shown)
    return Predictions(columns, [[_text((row.values or {}).get(name)) for name in columns] for row in shown], total)


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, float):
        return f"{value:.3f}"
    return "" if value is None else json.dumps(value, ensure_ascii=False, default=str)


def render(
    steps: Sequence[Step],
    *,
    samples: Sequence[ShownSample],
    predictions: Predictions | None,
    tracking_uri: str,
) -> str:
    """Return the page as HTML.

    Args:
        steps: the runs, each after those that it builds on; the last one gives the title.
        samples: samples of the prepared data; may be empty.
        predictions: predictions to show, or None.
        tracking_uri: tracking store of the runs.
    """
    style = asset(preparation_report.__name__, "page.css") + asset(__package__, "page.css")
    return template(__package__, "page.html").render(
        style=style,
        policy=content_policy(style=style, pictures=True),
        steps=steps,
        samples=samples,
        predictions=predictions,
        ui=ui_command(tracking_uri),
    )
