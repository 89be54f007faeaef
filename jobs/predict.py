"""Predict: a file of questions with passages, or of sentences -> the same rows with answers or entities, by Ray Data.

    python jobs/predict.py --model models:/clism-mrc@champion --input questions.jsonl --output answers.jsonl
    python jobs/predict.py --model models:/clism-ner@champion --input s3://bucket/news.parquet --text_column body \\
        --output s3://bucket/entities.parquet

Rows for question answering have `question` and `context`; the output adds `answer`, `score` (probability, 0 to 1),
`start` and `end` (context[start:end] is the answer). Rows for NER have `text` or `tokens`; the output adds `entities`.
"""

import sys
import time

from clism_core.cluster.connect import connect
from clism_core.command_line import run_job, show, writing
from clism_core.inference.config import PredictConfig
from clism_core.inference.models import check_nodes
from clism_core.inference.partial_results import staging_folder
from clism_core.inference.predict_file import Plan, PredictionResult, plan, predict
from clism_core.inference.records import describe_row
from clism_core.tasks.registry import TASKS
from clism_core.utils.output_lock import exclusive_file
from clism_core.utils.text import listed


def main(config: PredictConfig) -> None:
    """Predict, and print the numbers of predicted rows and of rejected rows by reason."""
    planned = plan(config)  # checks inputs before a cluster starts
    config = planned.config
    with writing("predict", config.output, lock=exclusive_file(config.output), tracked=False):
        connect()
        check_nodes(
            [config.model],
            inputs=[config.input],
            output=staging_folder(config),
            workers=config.workers,
            use_gpu=config.use_gpu,
        )
        began = time.monotonic()
        predicted = predict(planned)
    show(summary(predicted, planned, seconds=time.monotonic() - began))


def summary(predicted: PredictionResult, planned: Plan, *, seconds: float) -> str:
    """Return the text printed at the end."""
    config, task = planned.config, TASKS[planned.layout.task]
    rate = predicted.predicted / seconds
    text = f"Predicted {predicted.predicted:,} rows by {config.model}, {rate:,.1f} a second: {config.output}"
    text = "\n".join([text, *(f"  {describe_row(row, task=task, config=config)}" for row in predicted.first)])
    if not predicted.rejected:
        return text
    counts = listed(f"{reason} {rows:,}" for reason, rows in predicted.rejected.items())
    return f"{text}\nRejected {sum(predicted.rejected.values()):,} rows: {counts}. They are in {predicted.rejects_path}"


if __name__ == "__main__":
    sys.exit(run_job(PredictConfig, main, description=__doc__))
