"""What `predict` can be told."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from annotated_types import Ge

from clism_core.utils.fields import ModelRef, Output, RowsFile


@dataclass
class PredictConfig:
    """Predictions of a task model for the rows of a file."""

    model: Annotated[str, ModelRef()]
    """A task model: models:/clism-mrc@champion, models:/clism-ner/3, a folder that jobs/finetune.py has made, s3://..."""
    input: Annotated[str, RowsFile()]
    """A file that ends in .jsonl, .csv (either of them with .gz) or .parquet; local or s3://."""
    output: Annotated[str, Output()]
    """The file to make, of any of these formats. It appears as a whole at the end; until then OUTPUT.unfinished keeps
    what is predicted, from which the same command goes on. Rejected rows are listed in OUTPUT.rejects.jsonl."""
    overwrite: bool = False
    """Replace an output that is there."""
    question_column: str = "question"
    """Where the questions are. Question answering only."""
    context_column: str = "context"
    """Where the passages are. Question answering only."""
    text_column: str = "text"
    """Where the sentences are, as texts. NER only."""
    tokens_column: str = "tokens"
    """Where the sentences are, as lists of tokens (in CSV: as JSON); a row that has a text is read by its text. NER
    only."""
    batch_size: Annotated[int, Ge(1)] = 32
    """Inputs of a forward pass at most."""
    workers: Annotated[int | None, Ge(1)] = None
    """Copies of the model that predict side by side; null: one a GPU that is there now or, on CPUs, as many as these
    and memory allow."""
    use_gpu: bool | None = None
    """Whether models predict on GPUs, one each; null: if the cluster has any now. Give true where GPU nodes come when
    they are wanted."""
