"""Evaluation from test sets to scores: `plan` reads and checks, `carry_out` computes, `evaluate` does both.

config = EvaluateConfig(model="models:/clism-mrc/3", tests=[...], compare="models:/clism-mrc@champion")
evaluation = evaluate(config, run)
evaluation.examples["xquad"]["ar"]["f1"]            # ScoredExamples of the model
evaluation.compared_examples["xquad"]["ar"]["f1"]   # ScoredExamples of the champion, on the same questions
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
from clism_core.model.notice import with_notice
from clism_core.model.paths import with_absolute_paths
from clism_core.model.resolve import resolve_model
from clism_core.model.tokenizer import load_tokenizer
from clism_core.model.vocabulary import check_words, spread
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
"""Subfolder of the output with the predictions of the other model of a comparison."""

Examples = dict[str, dict[str, dict[str, ScoredExamples]]]
"""Scored examples by data set, language and score, for `compare` and `confidence_interval`."""


@dataclass(frozen=True)
class Evaluation:
    """Result of an evaluation."""

    model: str
    """Name of the model, pinned to a version."""
    output: str
    metrics: dict[str, Any]
    """Content of `metrics.json`."""
    table: str
    """Scores as Markdown."""
    examples: Examples
    compared_examples: Examples | None
    """Scored examples of the other model of a comparison, on the same examples."""


@dataclass(frozen=True)
class Plan:
    """A checked evaluation that is ready to run: models are found and test sets are read."""

    config: EvaluateConfig
    """Configuration with absolute paths and pinned versions."""
    model: EvaluatedModel
    test_sets: list[TestSet]
    compared: EvaluatedModel | None
    """The other model of a comparison; None without one, or if its existing predictions are used."""


def evaluate(config: EvaluateConfig, run: TrackedRun) -> Evaluation:
    """Evaluate a model on the connected cluster, and write and log the results.

    Args:
        config: configuration of the evaluation.
        run: tracked run that receives metrics `test/DATASET/LANGUAGE/SCORE`, tables, chart and predictions.

    Raises:
        InputError: as `plan` and `carry_out` do.
    """
    return carry_out(plan(config), run)


def plan(config: EvaluateConfig) -> Plan:
    """Find the models, and read and check all test sets, without a cluster.

    Raises:
        InputError: if the configuration is invalid, a model is not found, a file cannot be read or has the wrong
            format, or the models cannot be compared.
    """
    check_config(config)
    model = find_model(config.model)
    test_sets = read_test_sets(config.tests, model.task)
    _check_words(model, test_sets)
    output = storage.absolute(config.output or default_output("evaluate"))
    compare, compared = config.compare, None
    if compare:
        _check_sizes(test_sets)
        if is_evaluation(compare):
            compare = storage.absolute(compare)
            if compare == output:
                raise InputError(
                    f"--compare {compare}: is also the --output, in which the model's predictions would overwrite "
                    "those to compare with; give another --output"
                )
            Predictions.of_evaluation(compare, test_sets)
        else:
            compared = find_model(compare)
            compare = compared.name
            _check_same_task(model, compared, test_sets)
    resolved = dataclasses.replace(config, model=model.name, compare=compare, output=output)
    return Plan(with_absolute_paths(resolved), model, test_sets, compared)


def _check_words(model: EvaluatedModel, test_sets: Sequence[TestSet]) -> None:
    """Warn of test sets of which the model's tokenizer does not know many words."""
    tokenizer = load_tokenizer(resolve_model(model.name))
    for test_set in test_sets:
        texts = (" ".join(_strings(record)) for record in spread(test_set.records()))
        check_words(tokenizer, texts, place=f"--tests: {title(test_set)}", strict=False)


def _strings(record: Mapping[str, Any]) -> list[str]:
    values = (value if isinstance(value, list | tuple) else [value] for value in record.values())
    return [text for value in values for text in value if isinstance(text, str)]


def _check_sizes(test_sets: Sequence[TestSet]) -> None:
    for test_set in test_sets:
        if len(test_set.examples) < 2:
            raise InputError(
                f"{title(test_set)} has only one example, which is too few to compare models; remove it from --tests"
            )


def _check_same_task(model: EvaluatedModel, compared: EvaluatedModel, test_sets: Sequence[TestSet]) -> None:
    kinds = {test_set.kind for test_set in test_sets} - {RETRIEVAL}
    if kinds and _name(model.task) != _name(compared.task):
        raise InputError(
            f"--compare {compared.name}: its task is {_name(compared.task)}, but that of {model.name} is "
            f"{_name(model.task)}; compare models for the same task"
        )


def _name(task: TaskConfig | None) -> str:
    return "none" if task is None else task.task


def check_cluster(plan: Plan) -> None:
    """Check that all nodes of the cluster can access the models.

    Raises:
        InputError: if any model is not accessible on a node.
    """
    models = [plan.model, *([plan.compared] if plan.compared else [])]
    check_nodes([model.name for model in models], workers=plan.config.workers, use_gpu=plan.config.use_gpu)


def carry_out(plan: Plan, run: TrackedRun) -> Evaluation:
    """Predict what is missing, score, compare, and write and log the results.

    The predictions for a test set are written as soon as they are complete, and reused if the model and the test set
    are the same.

    Raises:
        InputError: if a node of the cluster cannot load a model.
    """
    config, test_sets = plan.config, plan.test_sets
    predictions = _predicted(plan, plan.model, config.output)
    logger.info("scoring %d test sets with %s resamples each", len(test_sets), f"{config.resamples:,}")
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
        table=with_notice(markdown(rows, metrics), *_folders(plan)),
        examples=_examples(test_sets, scores),
        compared_examples=None if compared_scores is None else _examples(test_sets, compared_scores),
    )
    _write_and_log(plan, run, evaluation, rows, predictions)
    return evaluation


def _folders(plan: Plan) -> list[str]:
    """Return the folders of the models on this machine."""
    return [resolve_model(model.name) for model in (plan.model, plan.compared) if model is not None]


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
    """Return the predictions of a model for all test sets, after predicting the missing ones."""
    predictions = Predictions.of_model(folder, model)
    missing = [test_set for test_set in plan.test_sets if not predictions.has(test_set)]
    if missing:
        config = plan.config
        for name in RESULTS:  # stale results must not lie beside new predictions
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
    by_dataset = differences(plan.test_sets, scores, compared_scores, resamples=resamples)
    return {
        "with": compared,
        "metrics": metrics_of(plan.test_sets, compared_scores, resamples=resamples),
        "differences": by_dataset,
        "conclusions": conclusions(by_dataset, model=plan.model.name, compared=compared),
    }
