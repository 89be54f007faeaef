"""Configuration of an evaluation, and its checks."""

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
    """Evaluation of a model, optionally compared with another, on test sets in any number of languages."""

    model: Annotated[str, ModelRef()]
    """A folder, or a name in the MLflow registry such as models:/clism-mrc@champion; for retrieval also an encoder."""
    tests: list[TestSetConfig]
    """Test sets: '[{dataset: xquad, language: ar, path: xquad.ar.json}, {dataset: mlqa, path: mlqa/test}]'"""
    output: Annotated[str, Output()] = ""
    """Folder for scores and predictions, local or s3://; the same folder again keeps finished predictions. Empty: a new
    folder below CLISM_HOME/outputs."""
    compare: str = ""
    """Model to compare with by a paired test: its name, or the output folder of its evaluation on these tests."""
    batch_size: Annotated[int, Incidental(), Ge(1)] = 32
    """Maximum number of inputs in a forward pass."""
    workers: Annotated[int | None, Incidental(), Ge(1)] = None
    """Number of model replicas that predict concurrently; null: one per GPU of the current cluster or, on CPUs, as many
    as CPUs and memory allow."""
    use_gpu: Annotated[bool | None, Incidental()] = None
    """Whether models predict on GPUs, one each; null: if the cluster currently has any. Set true on autoscaling
    clusters."""
    resamples: Annotated[int, Incidental(), Ge(LEAST_RESAMPLES)] = RESAMPLES
    """Number of resamples for intervals and p values."""
    register_metrics: Annotated[bool, Incidental()] = True
    """Whether the scores of a registered model (models:/...) become tags of its version."""


def check_config(config: EvaluateConfig) -> None:
    """Check everything that can be checked without reading files.

    Raises:
        InputError: with all problems, one per line.
    """
    found = [] if config.model else ["--model: missing; give a folder or a registry name"]
    found += [*bound_problems(config), *test_problems(config.tests, field="tests")]
    if found:
        raise InputError("\n".join(found))


def test_problems(tests: Sequence[TestSetConfig], *, field: str) -> Iterator[str]:
    """Yield the problems of test sets, one message each; `field` is the field that contains them."""
    if not tests:
        yield f"--{field}: empty; give at least one test set"
    for number, test in enumerate(tests):
        yield from _test_problems(f"--{field}[{number}]", test)


def _test_problems(place: str, test: TestSetConfig) -> Iterator[str]:
    if not _DATASET.fullmatch(test.dataset) or test.dataset == _RESERVED:
        yield (
            f"{place}.dataset {test.dataset!r}: give a name of letters, digits, dots, hyphens and underscores that "
            f"is not {_RESERVED}"
        )
    if test.kind == "retrieval" and test.scorer is not None:
        yield f"{place}.scorer {test.scorer}: scores answers; omit it for retrieval"
    if test.kind == "retrieval" and isinstance(test.path, HubSplit):
        yield f"{place}.path: hub data sets are unsupported for retrieval; save the pairs as a TSV file"
