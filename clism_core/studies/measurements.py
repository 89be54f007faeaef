"""What the runs of a study have measured: from MLflow to tables of means, deviations and paired tests."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from mlflow.exceptions import MlflowException

from clism_core.errors import InputError
from clism_core.studies.chains import Chain, Kind, chain_stages
from clism_core.studies.execution import Finished
from clism_core.tasks.evaluation.predictions import Predictions
from clism_core.tasks.evaluation.reading import read_test_sets
from clism_core.tasks.evaluation.test_set import TestSet
from clism_core.tasks.metrics.bootstrap import Comparison, compare
from clism_core.tasks.metrics.examples import ScoredExamples
from clism_core.tracking.run import TrackedRun

AVERAGE = "average"
SCORES = ("f1", "exact_match")
"""What tables have, in their order, which is the paper's."""
Labels = Mapping[str, Any]


@dataclass(frozen=True)
class Measurements:
    """The finished runs of a study's chains.

    Args:
        chains: of the study; those that are not finished are left out of everything.
        finished: the runs by the names of their stages.
        tracking_uri: where their metrics are.
    """

    chains: Sequence[Chain]
    finished: Mapping[str, Finished]
    tracking_uri: str
    _test_sets: dict[str, list[TestSet]] = field(default_factory=dict, repr=False)
    _scored: dict[str, dict[tuple[str, str], Mapping[str, ScoredExamples]]] = field(default_factory=dict, repr=False)

    @cached_property
    def test_scores(self) -> pd.DataFrame:
        """Columns: the labels of a chain, `dataset`, `language` (or `average`), `score`, `value` (0 to 100)."""
        rows: list[dict[str, Any]] = []
        for chain, run in self._runs("evaluate"):
            found = []
            for name, value in self._metrics(run).items():
                start, *place = name.split("/")
                if start == "test" and len(place) == 3 and place[2] in SCORES:
                    dataset, language, score = place
                    found.append({"dataset": dataset, "language": language, "score": score, "value": value})
            rows += [{**chain.labels, **row} for row in sorted(found, key=_place_in_tables)]
        return pd.DataFrame(rows)

    def last_metrics(self, kind: Kind) -> pd.DataFrame:
        """Return what runs of a kind have logged at last.

        Columns: the labels of a chain, `metric` (such as `eval/en-ar/retrieval_accuracy`) and `value`.
        """
        rows = [
            {**chain.labels, "metric": name, "value": value}
            for chain, run in self._runs(kind)
            for name, value in self._metrics(run).items()
        ]
        return pd.DataFrame(rows)

    def curves(self, kind: Kind, metric: str) -> pd.DataFrame:
        """Return a metric of runs of a kind at all steps: the labels of a chain, `step` and `value`."""
        rows = []
        for chain, run in self._runs(kind):
            history = self._ask(lambda: self._run(run).client.get_metric_history(run.run_id, metric))  # noqa: B023
            rows += [{**chain.labels, "step": point.step, "value": point.value} for point in history]
        return pd.DataFrame(rows)

    def compare(self, challenger: Labels, champion: Labels, *, resamples: int) -> pd.DataFrame:
        """Test whether the chains with the labels of `challenger` score otherwise than those of `champion`.

        Each test example counts with its mean over the chains of a side (repeats that differ in seeds), so what is
        tested is whether the difference would hold on other examples; how much seeds differ, deviations tell.

        Args:
            challenger: labels with the values that they have; chains that have all of them take part.
            champion: likewise.
            resamples: of examples.

        Returns:
            a row for each data set, language or `average`, and score: `dataset`, `language`, `score`, `difference`,
            `low`, `high` (95 % interval) and `p_value`; empty where a side has no finished evaluation.
        """
        new, old = self._pooled(challenger), self._pooled(champion)
        rows = []
        for dataset, languages in new.items():
            if dataset not in old or old[dataset].keys() != languages.keys():
                continue
            groups = {name: [name] for name in languages} | {AVERAGE: list(languages)}
            for name, members in groups.items():
                for score in languages[members[0]]:
                    found = compare(
                        [languages[member][score] for member in members],
                        [old[dataset][member][score] for member in members],
                        resamples=resamples,
                    )
                    rows.append({"dataset": dataset, "language": name, "score": score, **_fields(found)})
        return pd.DataFrame(rows)

    def _pooled(self, labels: Labels) -> dict[str, dict[str, dict[str, ScoredExamples]]]:
        """Return, by data set, language and score, the examples with their sums over the chains that have `labels`."""
        parts: dict[str, dict[str, dict[str, list[ScoredExamples]]]] = {}
        for chain, run in self._runs("evaluate"):
            if any(chain.labels.get(name) != value for name, value in labels.items()):
                continue
            for (dataset, language), examples in self._examples(chain, run).items():
                for score, scored in examples.items():
                    parts.setdefault(dataset, {}).setdefault(language, {}).setdefault(score, []).append(scored)
        return {
            dataset: {
                language: {score: _sum(each) for score, each in scores.items()}
                for language, scores in languages.items()
            }
            for dataset, languages in parts.items()
        }

    def _examples(self, chain: Chain, run: Finished) -> Mapping[tuple[str, str], Mapping[str, ScoredExamples]]:
        """Return the examples of a run by data set and language; they are scored once."""
        if run.run_id not in self._scored:
            assert chain.evaluate is not None
            task = str(chain.labels["task"])
            if task not in self._test_sets:
                self._test_sets[task] = read_test_sets(chain.evaluate.tests, chain.finetune.of_task)
            predictions = Predictions.of_evaluation(run.folder, self._test_sets[task])
            self._scored[run.run_id] = {
                (each.dataset, each.language): each.score(predictions.read(each)).examples
                for each in self._test_sets[task]
            }
        return self._scored[run.run_id]

    def _runs(self, kind: Kind) -> Iterator[tuple[Chain, Finished]]:
        """Yield the chains whose run of a kind is finished, with it."""
        for chain in self.chains:
            stage = chain_stages(chain).get(kind)
            if stage is not None and stage.name in self.finished:
                yield chain, self.finished[stage.name]

    def _run(self, run: Finished) -> TrackedRun:
        return TrackedRun(self.tracking_uri, run.run_id)

    def _metrics(self, run: Finished) -> dict[str, float]:
        metrics: dict[str, float] = self._ask(lambda: self._run(run).client.get_run(run.run_id).data.metrics)
        return metrics

    def _ask(self, question: Callable[[], Any]) -> Any:
        try:
            return question()
        except MlflowException as error:
            raise InputError(
                f"a run of the study is not in MLflow at {self.tracking_uri}: {error}; set MLFLOW_TRACKING_URI to "
                "where it was tracked, or give another --output"
            ) from error


def _place_in_tables(row: Mapping[str, Any]) -> tuple[str, bool, str, int]:
    return row["dataset"], row["language"] == AVERAGE, row["language"], SCORES.index(row["score"])


def summarise(scores: pd.DataFrame, by: Sequence[str]) -> pd.DataFrame:
    """Return the `mean`, the standard deviation `std` (of a sample; NaN of a single value) and the number of `runs`.

    Args:
        scores: a row for each value, with columns `by` and `value`.
        by: what groups have alike; groups keep the order in which they first stand.
    """
    if scores.empty:
        return pd.DataFrame(columns=[*by, "mean", "std", "runs"])
    groups = scores.groupby(list(by), sort=False)["value"]
    return groups.agg(mean="mean", std="std", runs="count").reset_index()


def _sum(parts: Sequence[ScoredExamples]) -> ScoredExamples:
    """Return examples that count with the sums of their parts: of a score per question, its mean."""
    first = parts[0]
    return ScoredExamples(
        scorer=first.scorer,
        score=first.score,
        ids=first.ids,
        numerators=np.sum([part.numerators for part in parts], axis=0),
        denominators=np.sum([part.denominators for part in parts], axis=0),
    )


def _fields(found: Comparison) -> dict[str, float]:
    return {
        "difference": found.difference,
        "low": found.interval.low,
        "high": found.interval.high,
        "p_value": found.p_value,
    }
