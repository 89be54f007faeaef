"""Results of a study's runs: means, standard deviations and paired tests, from the metrics in MLflow."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from mlflow.exceptions import MlflowException

from clism_core.evaluation.bootstrap import Comparison, compare
from clism_core.evaluation.datasets import averaged, read_test_sets
from clism_core.evaluation.predictions import Predictions
from clism_core.evaluation.table import AVERAGES
from clism_core.experiments.studies.run_graph import Chain, Kind, Stage, chain_stages
from clism_core.experiments.studies.run_records import FinishedRun
from clism_core.tasks.scored_examples import ScoredExamples
from clism_core.tasks.test_data import TestSet
from clism_core.tracking.run import TrackedRun
from clism_core.utils.errors import InputError

AVERAGE = "average"
SCORES = ("f1", "exact_match")
"""Scores in tables, in the paper's order."""
Labels = Mapping[str, Any]


@dataclass(frozen=True)
class Results:
    """Results of the finished runs of a study.

    Args:
        chains: chains of the study; unfinished ones are left out of everything.
        finished: finished runs by the names of their stages.
        output: folder of the study.
        tracking_uri: MLflow tracking server or store of the runs.
    """

    chains: Sequence[Chain]
    finished: Mapping[str, FinishedRun]
    output: str
    tracking_uri: str
    _test_sets: dict[str, list[TestSet]] = field(default_factory=dict, repr=False)
    _scored: dict[str, dict[tuple[str, str], Mapping[str, ScoredExamples]]] = field(default_factory=dict, repr=False)

    @cached_property
    def _stages(self) -> list[tuple[Chain, dict[Kind, Stage]]]:
        return [(chain, chain_stages(chain)) for chain in self.chains]

    @cached_property
    def test_scores(self) -> pd.DataFrame:
        """Columns: labels of the chain, `dataset`, `language` (or `average`), `score`, `value` (0 to 100)."""
        rows: list[dict[str, Any]] = []
        for chain, _, run in self._runs("evaluate"):
            scores = []
            for name, value in self._metrics(run).items():
                start, *place = name.split("/")
                if start == "test" and len(place) == 3 and place[2] in SCORES:
                    dataset, language, score = place
                    scores.append({"dataset": dataset, "language": language, "score": score, "value": value})
            rows += [{**chain.labels, **row} for row in sorted(scores, key=_table_order)]
        return pd.DataFrame(rows)

    def last_metrics(self, kind: Kind) -> pd.DataFrame:
        """Return the last values of all metrics of runs of a kind.

        Columns: labels of the chain, `metric` (such as `eval/en-ar/retrieval_accuracy`) and `value`.
        """
        rows = [
            {**chain.labels, "metric": name, "value": value}
            for chain, _, run in self._runs(kind)
            for name, value in self._metrics(run).items()
        ]
        return pd.DataFrame(rows)

    def curves(self, kind: Kind, metric: str) -> pd.DataFrame:
        """Return a metric of runs of a kind at all steps; columns: labels of the chain, `step` and `value`.

        For a step that was repeated after a worker was lost, the latest value counts.
        """
        rows = []
        for chain, _, run in self._runs(kind):
            history = self._ask(lambda: self._run(run).client.get_metric_history(run.run_id, metric))  # noqa: B023
            latest = {point.step: point.value for point in sorted(history, key=lambda point: point.timestamp)}
            rows += [{**chain.labels, "step": step, "value": value} for step, value in sorted(latest.items())]
        return pd.DataFrame(rows)

    def compare(self, challenger: Labels, champion: Labels, *, resamples: int, all_sets: bool = True) -> pd.DataFrame:
        """Test the difference in scores between the chains with the labels `challenger` and those with `champion`.

        Only repeats that both sides have are compared: chains with the same `seed` and `sample`. Each example counts
        with its sum over the repeats. The test therefore asks whether the difference would hold on other examples; the
        variation between seeds is in the standard deviations. For questions, the sums give the mean over the repeats;
        for entities, one F1 over all repeats.

        Args:
            challenger: label values that select the chains of the challenger.
            champion: label values that select the chains of the champion.
            resamples: resamples of the test examples.
            all_sets: whether to test each test set, besides the averages of data sets.

        Returns:
            One row per data set, language or `average`, and score: `dataset`, `language`, `score`, `difference`, `low`,
            `high` (95 % interval) and `p_value`; empty if the two sides share no finished repeat.
        """
        new, old = self._evaluated(challenger), self._evaluated(champion)
        shared = sorted(new.keys() & old.keys())
        if not shared:
            return pd.DataFrame()
        task = str(new[shared[0]][0].labels["task"])
        sides = [[self._examples(*side[repeat]) for repeat in shared] for side in (new, old)]
        test_sets = self._test_sets[task]
        single = [(each.dataset, each.language, [each]) for each in test_sets] if all_sets else []
        groups = single + list(averaged(test_sets))
        rows = []
        for dataset, name, members in groups:
            places = [(member.dataset, member.language) for member in members]
            for score in sides[0][0][places[0]]:
                challengers, champions = (
                    [_sum([repeat[place][score] for repeat in side]) for place in places] for side in sides
                )
                comparison = compare(challengers, champions, resamples=resamples)
                rows.append({"dataset": dataset, "language": name, "score": score, **_fields(comparison)})
        return pd.DataFrame(rows)

    def _evaluated(self, labels: Labels) -> dict[tuple[Any, Any], tuple[Chain, Stage]]:
        """Return the chains with `labels` whose evaluation is finished, by seed and sample."""
        return {
            (chain.labels.get("seed"), chain.labels.get("sample")): (chain, stage)
            for chain, stage, _ in self._runs("evaluate")
            if all(chain.labels.get(name) == value for name, value in labels.items())
        }

    def check_test_sets(self) -> None:
        """Check that all evaluations used the current test sets, so that no table mixes two versions.

        Raises:
            InputError: with the folders of those that did not.
        """
        stale = set()
        for chain, stage, _ in self._runs("evaluate"):
            try:
                self._predictions(chain, stage)
            except InputError:
                stale.add(stage.folder(self.output))
        if stale:
            raise InputError(
                "test sets have changed since these evaluations; delete the folders, and the same command evaluates "
                f"again: {' '.join(sorted(stale))}"
            )

    def _examples(self, chain: Chain, stage: Stage) -> Mapping[tuple[str, str], Mapping[str, ScoredExamples]]:
        """Return the scored examples of an evaluation by data set and language; cached."""
        if stage.name not in self._scored:
            predictions = self._predictions(chain, stage)
            self._scored[stage.name] = {
                (each.dataset, each.language): each.score(predictions.read(each)).examples
                for each in self._test_sets_of(chain)
            }
        return self._scored[stage.name]

    def _predictions(self, chain: Chain, stage: Stage) -> Predictions:
        return Predictions.of_evaluation(stage.folder(self.output), self._test_sets_of(chain))

    def _test_sets_of(self, chain: Chain) -> list[TestSet]:
        assert chain.evaluate is not None
        task = str(chain.labels["task"])
        if task not in self._test_sets:
            self._test_sets[task] = read_test_sets(chain.evaluate.tests, chain.finetune.task_options)
        return self._test_sets[task]

    def _runs(self, kind: Kind) -> Iterator[tuple[Chain, Stage, FinishedRun]]:
        """Yield each chain whose run of a kind is finished, with the stage and the run."""
        for chain, stages in self._stages:
            stage = stages.get(kind)
            if stage is not None and stage.name in self.finished:
                yield chain, stage, self.finished[stage.name]

    def _run(self, run: FinishedRun) -> TrackedRun:
        return TrackedRun(self.tracking_uri, run.run_id)

    def _metrics(self, run: FinishedRun) -> dict[str, float]:
        metrics: dict[str, float] = self._ask(lambda: self._run(run).client.get_run(run.run_id).data.metrics)
        return metrics

    def _ask(self, question: Callable[[], Any]) -> Any:
        try:
            return question()
        except MlflowException as error:
            raise InputError(
                f"a run of the study was not found in MLflow at {self.tracking_uri}: {error}; set MLFLOW_TRACKING_URI "
                "to the store that has it, or give another --output"
            ) from error


def _table_order(row: Mapping[str, Any]) -> tuple[str, int, str, int]:
    """Return a sort key that puts languages before averages."""
    language = row["language"]
    average = 1 + list(AVERAGES).index(language) if language in AVERAGES else 0
    return row["dataset"], average, language, SCORES.index(row["score"])


def summarise(scores: pd.DataFrame, by: Sequence[str]) -> pd.DataFrame:
    """Return the `mean`, the sample standard deviation `std` (NaN for a single value) and the number of `runs`.

    Args:
        scores: one row per value, with columns `by` and `value`.
        by: columns that identify a group; groups keep the order of their first rows.
    """
    if scores.empty:
        return pd.DataFrame(columns=[*by, "mean", "std", "runs"])
    groups = scores.groupby(list(by), sort=False)["value"]
    return groups.agg(mean="mean", std="std", runs="count").reset_index()


def _sum(parts: Sequence[ScoredExamples]) -> ScoredExamples:
    """Return examples with the summed numerators and denominators of `parts`; scores per question become means."""
    first = parts[0]
    return ScoredExamples(
        scorer=first.scorer,
        score=first.score,
        ids=first.ids,
        numerators=np.sum([part.numerators for part in parts], axis=0),
        denominators=np.sum([part.denominators for part in parts], axis=0),
    )


def _fields(comparison: Comparison) -> dict[str, float]:
    return {
        "difference": comparison.difference,
        "low": comparison.interval.low,
        "high": comparison.interval.high,
        "p_value": comparison.p_value,
    }
