"""An evaluation from test sets to scores: `plan` reads and checks, `carry_out` computes, `evaluate` does both.

config = EvaluateConfig(model="models:/clism-mrc/3", tests=[...], compare="models:/clism-mrc@champion")
evaluation = evaluate(config, run)
evaluation.examples["xquad"]["ar"]["f1"]            # the model's, as ScoredExamples
evaluation.compared_examples["xquad"]["ar"]["f1"]   # the champion's, on the same questions
"""

import dataclasses
import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from clism_core.evaluation.chart import scores_figure
from clism_core.evaluation.config import EvaluateConfig, check_config
from clism_core.evaluation.datasets import read_test_sets
from clism_core.evaluation.predictions import Predictions, is_evaluation
from clism_core.evaluation.scoring import Scores, conclusions, differences, metrics_of
from clism_core.evaluation.table import COMPARISON, Row, csv_text, markdown, table_rows
from clism_core.evaluation.tracking import log_evaluation, tag_version
from clism_core.inference.models import EvaluatedModel, check_nodes, find_model
from clism_core.inference.pool import predict
from clism_core.model.paths import with_absolute_paths
from clism_core.tasks.saved_task import TaskConfig
from clism_core.tasks.scored_examples import ScoredExamples
from clism_core.tasks.test_data import RETRIEVAL, TestSet, title
from clism_core.tracking.plots import png
from clism_core.tracking.run import TrackedRun
from clism_core.utils import storage
from clism_core.utils.errors import InputError
from clism_core.utils.home import default_output

logger = logging.getLogger(__name__)

METRICS, TABLE, CSV, CHART = "metrics.json", "table.md", "table.csv", "scores.png"
RESULTS = (METRICS, TABLE, CSV, CHART)
COMPARED_FOLDER = "compared"
"""Below the output, the predictions of the model that is compared with."""

Examples = dict[str, dict[str, dict[str, ScoredExamples]]]
"""By data set, language and score: what `compare` and `confidence_interval` take."""


@dataclass(frozen=True)
class Evaluation:
    """What an evaluation has found."""

    model: str
    """The model, by a name that will mean this version tomorrow."""
    output: str
    metrics: dict[str, Any]
    """The content of `metrics.json`."""
    table: str
    """The scores as Markdown."""
    examples: Examples
    compared_examples: Examples | None
    """Of the model that was compared with, on the same examples."""


@dataclass(frozen=True)
class Plan:
    """An evaluation that can be carried out: all that it needs was found, and all test sets were read."""

    config: EvaluateConfig
    """With absolute paths and pinned versions."""
    model: EvaluatedModel
    test_sets: list[TestSet]
    compared: EvaluatedModel | None
    """The other model; None where there is none, or only its predictions are wanted."""


def evaluate(config: EvaluateConfig, run: TrackedRun) -> Evaluation:
    """Evaluate a model on the cluster that this process is connected to, and log and write what is found.

    Args:
        config: what is to be evaluated.
        run: of MLflow, to which metrics `test/DATASET/LANGUAGE/SCORE`, tables, chart and predictions go.

    Raises:
        InputError: as `plan` and `carry_out` do.
    """
    return carry_out(plan(config), run)


def plan(config: EvaluateConfig) -> Plan:
    """Find the models, and read and check all test sets; no cluster is needed.

    Raises:
        InputError: if something is wrong with the configuration, a model cannot be found, a file cannot be read or is
            not as it should be, or models cannot be compared.
    """
    check_config(config)
    model = find_model(config.model)
    test_sets = read_test_sets(config.tests, model.task)
    output = storage.absolute(config.output or default_output("evaluate"))
    compare, compared = config.compare, None
    if compare:
        _check_sizes(test_sets)
        if is_evaluation(compare):
            compare = storage.absolute(compare)
            if compare == output:
                raise InputError(
                    f"--compare {compare}: is the --output, too, where the model's own predictions would replace those "
                    "to compare with; give another --output"
                )
            Predictions.of_evaluation(compare, test_sets)
        else:
            compared = find_model(compare)
            compare = compared.name
            _check_same_task(model, compared, test_sets)
    found = dataclasses.replace(config, model=model.name, compare=compare, output=output)
    return Plan(with_absolute_paths(found), model, test_sets, compared)


def _check_sizes(test_sets: Sequence[TestSet]) -> None:
    for test_set in test_sets:
        if len(test_set.examples) < 2:
            raise InputError(
                f"{title(test_set)} has only one example, on which models cannot be compared; leave it out"
            )


def _check_same_task(model: EvaluatedModel, compared: EvaluatedModel, test_sets: Sequence[TestSet]) -> None:
    kinds = {test_set.kind for test_set in test_sets} - {RETRIEVAL}
    if kinds and _name(model.task) != _name(compared.task):
        raise InputError(
            f"--compare {compared.name}: is a model of {_name(compared.task)}, {model.name} one of "
            f"{_name(model.task)}; compare models of one task"
        )


def _name(task: TaskConfig | None) -> str:
    return "no task" if task is None else task.task


def check_cluster(plan: Plan) -> None:
    """Check that all nodes of the cluster find the models.

    Raises:
        InputError: naming what they do not find.
    """
    models = [plan.model, *([plan.compared] if plan.compared else [])]
    check_nodes([model.name for model in models], workers=plan.config.workers, use_gpu=plan.config.use_gpu)


def carry_out(plan: Plan, run: TrackedRun) -> Evaluation:
    """Predict what is not predicted yet, score, compare, and write and log all of it.

    Predictions of a test set are written as soon as they are complete; of the same model for the same test set they are
    not made again.

    Raises:
        InputError: if a node of the cluster cannot load a model.
    """
    config, test_sets = plan.config, plan.test_sets
    predictions = _predicted(plan, plan.model, config.output)
    logger.info("scoring %d test sets, by %s resamples of each", len(test_sets), f"{config.resamples:,}")
    scores = _scores(test_sets, predictions)
    metrics: dict[str, Any] = {**metrics_of(test_sets, scores, resamples=config.resamples)}
    compared_scores = None
    if config.compare:
        other = (
            Predictions.of_evaluation(config.compare, test_sets)
            if plan.compared is None
            else _predicted(plan, plan.compared, storage.join(config.output, COMPARED_FOLDER))
        )
        compared_scores = _scores(test_sets, other)
        metrics[COMPARISON] = _comparison(plan, scores, compared_scores, compared=other.model)
    rows = table_rows(metrics, model=plan.model.name)
    evaluation = Evaluation(
        model=plan.model.name,
        output=config.output,
        metrics=metrics,
        table=markdown(rows, metrics),
        examples=_examples(test_sets, scores),
        compared_examples=None if compared_scores is None else _examples(test_sets, compared_scores),
    )
    _write_and_log(plan, run, evaluation, rows, predictions)
    return evaluation


def _write_and_log(
    plan: Plan, run: TrackedRun, evaluation: Evaluation, rows: Sequence[Row], predictions: Predictions
) -> None:
    metrics, config = evaluation.metrics, plan.config
    texts = {
        METRICS: json.dumps(metrics, indent=2, ensure_ascii=False) + "\n",
        TABLE: evaluation.table,
        CSV: csv_text(rows),
    }
    chart = scores_figure(rows)
    for name, content in {**{name: text.encode() for name, text in texts.items()}, CHART: png(chart)}.items():
        storage.write_bytes(storage.join(config.output, name), content)
    texts |= {f"predictions/{title(each)}.{each.ending}": predictions.read(each) for each in plan.test_sets}
    log_evaluation(run, metrics, model=evaluation.model, texts=texts, figures={CHART: chart})
    if config.register_metrics:
        tag_version(run, evaluation.model, metrics)


def _predicted(plan: Plan, model: EvaluatedModel, folder: str) -> Predictions:
    """Return the predictions of a model for all test sets, those that are missing made."""
    predictions = Predictions.of_model(folder, model)
    missing = [test_set for test_set in plan.test_sets if not predictions.has(test_set)]
    if missing:
        config = plan.config
        for name in RESULTS:  # they would stand beside predictions that are not those they are of
            storage.delete(storage.join(config.output, name))
        outputs_of = predict(
            model, missing, batch_size=config.batch_size, workers=config.workers, use_gpu=config.use_gpu
        )
        for test_set, outputs in outputs_of:
            predictions.write(test_set, test_set.predictions(outputs))
    return predictions


def _scores(test_sets: Sequence[TestSet], predictions: Predictions) -> Scores:
    return {title(test_set): test_set.score(predictions.read(test_set)) for test_set in test_sets}


def _examples(test_sets: Sequence[TestSet], scores: Scores) -> Examples:
    examples: Examples = {}
    for test_set in test_sets:
        examples.setdefault(test_set.dataset, {})[test_set.language] = dict(scores[title(test_set)].examples)
    return examples


def _comparison(plan: Plan, scores: Scores, compared_scores: Scores, *, compared: str) -> Mapping[str, Any]:
    resamples = plan.config.resamples
    found = differences(plan.test_sets, scores, compared_scores, resamples=resamples)
    return {
        "with": compared,
        "metrics": metrics_of(plan.test_sets, compared_scores, resamples=resamples),
        "differences": found,
        "conclusions": conclusions(found, model=plan.model.name, compared=compared),
    }
