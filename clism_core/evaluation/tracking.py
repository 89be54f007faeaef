"""Logging of evaluations to MLflow."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from matplotlib.figure import Figure

from clism_core.evaluation.table import COMPARISON
from clism_core.tracking.run import TrackedRun, valid_name

MODEL_TAG = "clism.model"
_VERSION = re.compile(r"models:/([^/@]+)/(\d+)")


def log_evaluation(
    run: TrackedRun,
    metrics: Mapping[str, Any],
    *,
    model: str,
    texts: Mapping[str, str],
    figures: Mapping[str, Figure],
) -> None:
    """Log metrics such as `test/xquad/ar/f1` and `test/xquad/average/f1`, files, and the model as a tag.

    Args:
        run: tracked run of the evaluation.
        metrics: content of `metrics.json`.
        model: name of the model.
        texts: text files by artefact path.
        figures: figures by artefact path.
    """
    run.flush()  # waits for the server, for a limited time
    run.set_tags({MODEL_TAG: model})
    run.log_summary({f"test/{name}": value for name, value in metrics_by_name(metrics).items()})
    for path, text in texts.items():
        run.client.log_text(run.run_id, text, path)
    for path, figure in figures.items():
        run.log_figure(figure, path)
    run.flush()


def metrics_by_name(metrics: Mapping[str, Any]) -> dict[str, float]:
    """Return the numbers of `metrics.json` by `DATASET/LANGUAGE/SCORE`, the ends of intervals as `SCORE_low`, `_high`.

    Names for entity types are `DATASET/LANGUAGE/by_label/PER/f1`; names for comparisons are
    `comparison/DATASET/LANGUAGE/SCORE/difference`, `.../interval_low`, `.../interval_high` and `.../p_value`.
    Characters of entity types that MLflow does not allow in names, such as &, become `_`.
    """
    own = {name: groups for name, groups in metrics.items() if name != COMPARISON}
    compared = {COMPARISON: metrics[COMPARISON]["differences"]} if COMPARISON in metrics else {}
    return dict(_numbers({**own, **compared}, ()))


def _numbers(value: Any, path: tuple[str, ...]) -> Iterator[tuple[str, float]]:
    if isinstance(value, Mapping):
        for name, inner in value.items():
            yield from _numbers(inner, (*path, valid_name(name)))
    elif path[-1].endswith("interval") and value is not None:
        name = "/".join(path).removesuffix("_interval")
        yield from ((f"{name}_low", float(value[0])), (f"{name}_high", float(value[1])))
    elif isinstance(value, int | float):
        yield "/".join(path), float(value)


def tag_version(run: TrackedRun, model: str, metrics: Mapping[str, Any]) -> None:
    """Store the scores as tags of the model's version, such as `xquad/ar/f1`, if the model is registered."""
    version = _VERSION.fullmatch(model)
    if version is None:
        return
    for name, value in scores_by_name(metrics).items():
        run.client.set_model_version_tag(version[1], version[2], name, f"{value:.2f}")


def scores_by_name(metrics: Mapping[str, Any]) -> dict[str, float]:
    """Return the scores of `metrics.json`, the figures with intervals, by `DATASET/LANGUAGE/SCORE`."""
    return {
        f"{dataset}/{language}/{score}": figures[score]
        for dataset, groups in metrics.items()
        if dataset != COMPARISON
        for language, figures in groups.items()
        for score in figures
        if f"{score}_interval" in figures
    }
