"""Building blocks of studies: chains of runs for base encoders and for our method, and tables of their scores."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any

import pandas as pd

from clism_core.experiments.studies.artefacts import MEASURED, PAPER
from clism_core.experiments.studies.config import StudyConfig, StudyTask
from clism_core.experiments.studies.paper_results import DATASETS, Score
from clism_core.experiments.studies.results import AVERAGE, Labels, Results, summarise
from clism_core.experiments.studies.run_graph import Chain, Label
from clism_core.pretraining.config import PretrainConfig
from clism_core.tasks.finetuning.config import FinetuneConfig

SCORE_COLUMNS = ("dataset", "language", "score")
PAPER_DATASETS = {dataset.lower(): dataset for dataset in DATASETS}
"""The paper's names of data sets, by the names of our test sets."""


def methods(config: StudyConfig) -> list[str]:
    """Return the names of all methods: base encoders, then ours."""
    return [*config.encoders, *config.ours]


def first_ours(config: StudyConfig) -> str:
    """Return the method that studies of a single method use."""
    return next(iter(config.ours))


def pretraining_of(config: StudyConfig, ours: str) -> PretrainConfig:
    """Return the pre-training that produces the encoder of one of our methods."""
    return replace(config.pretrain, model=config.encoders[config.ours[ours]])


def encoder_of(config: StudyConfig, method: str) -> str | PretrainConfig:
    """Return the encoder of a method: a model, or the pre-training that produces it."""
    return config.encoders[method] if method in config.encoders else pretraining_of(config, method)


def with_que(config: FinetuneConfig, use_que: bool) -> FinetuneConfig:
    """Return a fine-tuning with or without [QUE] and, for question answering, the pre-trained span head."""
    options: Any = config.task_options
    return replace(config, **{config.task: replace(options, use_que=use_que)})


def full_chain(config: StudyConfig, method: str, task: StudyTask, seed: int) -> Chain:
    """Return a fine-tuning on all English data, as in the paper: our methods with [QUE], base encoders without."""
    finetune = replace(with_que(config.finetuning(task), method in config.ours), seed=seed)
    labels: dict[str, Label] = {"method": method, "task": task, "seed": seed}
    return Chain(labels, encoder_of(config, method), finetune, config.evaluation(task))


def few_shot_chain(
    config: StudyConfig, encoder: str | PretrainConfig, *, examples: int, sample: int, use_que: bool, **labels: Label
) -> Chain:
    """Return a fine-tuning on a few English questions; `sample` is the seed of the sample and of the fine-tuning."""
    finetune = replace(
        with_que(config.mrc, use_que), examples=examples, sample_seed=sample, seed=sample, steps=config.few_shot_steps
    )
    named: dict[str, Label] = {**labels, "task": "mrc", "examples": examples, "sample": sample}
    return Chain(named, encoder, finetune, config.evaluation("mrc"))


def full_chains(config: StudyConfig) -> Iterator[Chain]:
    """Yield all methods fine-tuned on all English data, for each task and seed."""
    for method in methods(config):
        for task in config.tasks:
            for seed in config.seeds:
                yield full_chain(config, method, task, seed)


def scores_with_tests(
    measured: Results,
    by: list[str],
    pairs: Iterable[tuple[Labels, Labels]],
    *,
    resamples: int,
    all_sets: bool = False,
) -> pd.DataFrame:
    """Return test scores per `by`, data set, language and score, summarised over repeats, with paired tests.

    Args:
        measured: results of the finished runs.
        by: labels that identify a group.
        pairs: challenger and champion of each test, as in `Results.compare`. The result belongs to the group that the
            challenger's labels `by` identify.
        resamples: resamples of the test examples.
        all_sets: whether single languages are tested and returned, too, or averages only.
    """
    cells = summarise(measured.test_scores, [*by, *SCORE_COLUMNS]).assign(source=MEASURED)
    compared = [
        measured.compare(new, old, resamples=resamples, all_sets=all_sets).assign(**{name: new[name] for name in by})
        for new, old in pairs
    ]
    tests = [frame for frame in compared if not frame.empty]
    if tests:
        cells = cells.merge(pd.concat(tests), how="left", on=[*by, *SCORE_COLUMNS])
    else:
        cells = cells.assign(difference=float("nan"), low=float("nan"), high=float("nan"), p_value=float("nan"))
    return cells if all_sets else cells[cells["language"] == AVERAGE]


def paper_cells(score: Score | None, *, dataset: str, **labels: Label) -> list[dict[str, Label | None]]:
    """Return the scores that the paper reports for a data set as cells: F1 and, if reported, exact match."""
    if score is None:
        return []
    reported = {"f1": score.f1, "exact_match": score.exact_match}
    place: dict[str, Label | None] = {"dataset": dataset, "language": AVERAGE, "source": PAPER, "runs": 0}
    return [{**labels, **place, "score": name, "mean": value} for name, value in reported.items() if value is not None]


def with_paper(cells: pd.DataFrame, reported: list[dict[str, Label | None]]) -> pd.DataFrame:
    """Return `cells`, followed by the `reported` ones of the paper."""
    return pd.concat([cells, pd.DataFrame(reported)], ignore_index=True) if reported else cells
