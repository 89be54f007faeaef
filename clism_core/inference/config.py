"""Configuration of `predict`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from annotated_types import Ge

from clism_core.utils.fields import ModelRef, Output, RowsFile


@dataclass
class PredictConfig:
    """Predictions of a task model for the rows of a file."""

    model: Annotated[str, ModelRef()]
    """Task model: models:/clism-mrc@champion, models:/clism-ner/3, a model folder of jobs/finetune.py, s3://..."""
    input: Annotated[str, RowsFile()]
    """Input file: .jsonl, .csv (either also with .gz) or .parquet; local or s3://."""
    output: Annotated[str, Output()]
    """Output file, in any of these formats. It appears when it is complete; until then OUTPUT.unfinished keeps finished
    predictions, from which the same command resumes. Rejected rows are listed in OUTPUT.rejects.jsonl."""
    overwrite: bool = False
    """Replace an existing output."""
    question_column: str = "question"
    """Column of the questions. Question answering only."""
    context_column: str = "context"
    """Column of the passages. Question answering only."""
    text_column: str = "text"
    """Column of the sentences as text. NER only."""
    tokens_column: str = "tokens"
    """Column of the sentences as lists of tokens (in CSV: as JSON); if a row also has a text, the text is used. NER
    only."""
    batch_size: Annotated[int, Ge(1)] = 32
    """Maximum number of inputs in a forward pass."""
    workers: Annotated[int | None, Ge(1)] = None
    """Number of model replicas that predict concurrently; null: one per GPU of the current cluster or, on CPUs, as many
    as CPUs and memory allow."""
    use_gpu: bool | None = None
    """Whether models predict on GPUs, one each; null: if the cluster currently has any. Set true on autoscaling
    clusters."""
