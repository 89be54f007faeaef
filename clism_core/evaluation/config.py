"""The configuration of an evaluation, and what can be wrong with it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated

from annotated_types import Ge

from clism_core.evaluation.bootstrap import RESAMPLES
from clism_core.tasks.hub import HubSplit
from clism_core.tasks.test_data import TestSetConfig
from clism_core.utils.errors import InputError
from clism_core.utils.fields import Incidental, ModelRef, Output, bound_problems

_DATASET = re.compile(r"[A-Za-z0-9][\w.-]*", re.ASCII)
_RESERVED = "comparison"
LEAST_RESAMPLES = 100


@dataclass
class EvaluateConfig:
    """Evaluation of a model, alone or beside another one, on test sets of any number of languages."""

    model: Annotated[str, ModelRef()]
    """A folder, or a name of the MLflow registry such as models:/clism-mrc@champion; for retrieval an encoder, too."""
    tests: list[TestSetConfig]
    """What to evaluate on: '[{dataset: xquad, language: ar, path: xquad.ar.json}, {dataset: mlqa, path: mlqa/test}]'"""
    output: Annotated[str, Output()] = ""
    """Folder for scores and predictions; the same folder again keeps predictions that are finished. s3:// works.
    Empty: a new folder below CLISM_HOME/outputs."""
    compare: str = ""
    """Compare with this model by a paired test: its name, or the output folder of its own evaluation on these tests."""
    batch_size: Annotated[int, Incidental(), Ge(1)] = 32
    """Inputs of a forward pass."""
    workers: Annotated[int | None, Incidental(), Ge(1)] = None
    """Copies of the model that predict side by side; null: one a GPU that is there now or, on CPUs, as many as these
    and memory allow."""
    use_gpu: Annotated[bool | None, Incidental()] = None
    """Whether models predict on GPUs, one each; null: if the cluster has any now. Give true where GPU nodes come when
    they are wanted."""
    resamples: Annotated[int, Incidental(), Ge(LEAST_RESAMPLES)] = RESAMPLES
    """How often examples are drawn anew for intervals and p values."""
    register_metrics: Annotated[bool, Incidental()] = True
    """Whether the scores of a registered model (models:/...) become tags of its version."""


def check_config(config: EvaluateConfig) -> None:
    """Find what can be found wrong without looking at a file.

    Raises:
        InputError: with all problems, one a line.
    """
    found = [] if config.model else ["--model: names no model"]
    found += [*bound_problems(config), *test_problems(config.tests, field="tests")]
    if found:
        raise InputError("\n".join(found))


def test_problems(tests: Sequence[TestSetConfig], *, field: str) -> Iterator[str]:
    """Yield what is wrong with test sets themselves, one sentence each; `field` is the one that holds them."""
    if not tests:
        yield f"--{field}: names no test set"
    for number, test in enumerate(tests):
        yield from _test_problems(f"--{field}[{number}]", test)


def _test_problems(place: str, test: TestSetConfig) -> Iterator[str]:
    if not _DATASET.fullmatch(test.dataset) or test.dataset == _RESERVED:
        yield (
            f"{place}.dataset {test.dataset!r}: give a name of letters, digits, dots, hyphens and underscores that "
            f"is not {_RESERVED}"
        )
    if test.kind == "retrieval" and test.scorer is not None:
        yield f"{place}.scorer {test.scorer}: scores answers; leave it out for retrieval"
    if test.kind == "retrieval" and isinstance(test.path, HubSplit):
        yield f"{place}.path: pairs for retrieval are read from TSV files only; save the data set as one"
