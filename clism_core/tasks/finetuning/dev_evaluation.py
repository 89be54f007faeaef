"""Evaluation of the development data during training, on all workers."""

import logging
from typing import Any

from clism_core.cluster.collectives import gather_results, rank, world_size
from clism_core.tasks.predictor import Predictor
from clism_core.tasks.test_data import TestSet
from clism_core.tracking.run import valid_name

logger = logging.getLogger(__name__)

Evaluated = tuple[dict[str, float], float]
"""Metrics named LANGUAGE/METRIC, 0 to 100, and the score by which checkpoints are compared."""


def evaluate_development(predictor: Predictor[Any], test_set: TestSet) -> Evaluated:
    """Return the scores on the development data and warn about truncated records (a collective operation).

    Each worker predicts its shard and scores the outputs of all.
    """
    records = test_set.records()

    def predict_shard() -> tuple[dict[int, Any], int]:
        shard = range(len(records))[rank() :: world_size()]
        outputs, cut = predictor.outputs([records[number] for number in shard])
        return dict(zip(shard, outputs, strict=True)), sum(cut)

    parts = gather_results(predict_shard)
    cut = sum(number for _, number in parts)
    if cut and rank() == 0:
        logger.warning("development data: %d of %d %s", cut, len(records), predictor.truncated)
    gathered = {number: output for outputs, _ in parts for number, output in outputs.items()}
    outputs = [gathered[number] for number in range(len(records))]
    summary = test_set.score(test_set.predictions(outputs)).summary
    metrics = {name: value for name, value in summary.items() if isinstance(value, float)}
    metrics |= {f"{label}_f1": figures["f1"] for label, figures in summary.get("by_label", {}).items()}
    named = {f"{test_set.language}/{valid_name(name)}": value for name, value in metrics.items()}
    return named, metrics[test_set.score_names[0]]
