"""The report: one self-contained page without scripts, which needs no network.

Texts of corpora, models and predictions are not trusted: they are escaped, and the page's content security policy
allows its own style and embedded pictures only.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from clism_core.preparation import report as preparation_report
from clism_core.report.samples import ShownSample
from clism_core.report.steps import Step
from clism_core.tracking.run import ui_command
from clism_core.utils import storage
from clism_core.utils.errors import InputError
from clism_core.utils.html_page import asset, content_policy, template
from clism_core.utils.storage import damaged

MAX_PREDICTIONS = 50


class Predictions(NamedTuple):
    """Predicted rows as a table of texts."""

    columns: Sequence[str]
    rows: Sequence[Mapping[str, Any]]
    """The first rows, at most `MAX_PREDICTIONS`."""
    total: int
    """Number of all rows."""


def read_predictions(file: str) -> Predictions:
    """Return the rows of a JSONL file that jobs/predict.py has written, with the columns that are text or numbers.

    Raises:
        InputError: if it is not there, or is not a file of JSON objects.
    """
    if not storage.exists(file):
        raise InputError(f"--predictions {file}: does not exist; give the --output of jobs/predict.py")
    rows: list[dict[str, Any]] = []
    for number, line in enumerate(storage.read_bytes(file).splitlines(), start=1):
        try:
            row = json.loads(line)
        except ValueError:
            row = None
        if not isinstance(row, dict):
            raise damaged(file, f"line {number} is not a JSON object", advice="give a JSONL file of jobs/predict.py")
        rows.append(row)
    shown = rows[:MAX_PREDICTIONS]
    columns = {name: None for row in shown for name, value in row.items() if isinstance(value, str | int | float)}
    return Predictions(list(columns), shown, len(rows))


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
