"""Promotion of a challenger to champion, decided and explained by a paired test on given test sets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated

from annotated_types import Ge
from mlflow import MlflowClient

from clism_core.evaluation.bootstrap import RESAMPLES, compare
from clism_core.evaluation.config import LEAST_RESAMPLES
from clism_core.evaluation.scoring import p_text
from clism_core.tasks.scored_examples import ScoredExamples
from clism_core.tasks.test_data import TestSet, TestSetConfig, title
from clism_core.tracking.registry import CANDIDATE, CHAMPION, version_with_alias
from clism_core.utils.errors import InputError
from clism_core.utils.markdown import markdown_table

PROMOTION_TAG = "clism.promotion"

Examples = Mapping[str, Mapping[str, Mapping[str, ScoredExamples]]]
"""Scored examples by data set, language and score."""


@dataclass
class PromoteConfig:
    """Promotion of a registered model, if it is better than the champion on the test sets."""

    model: str
    """Name in the registry: clism-mrc, clism-ner or clism-encoder."""
    tests: list[TestSetConfig] = field(default_factory=list)
    """Test sets, as in jobs/evaluate.py; required if there is a champion."""
    challenger: str = CANDIDATE
    """Version that may become champion: an alias or a number."""
    champion: str = CHAMPION
    """Alias to move; the challenger is compared with its current version."""
    metric: str | None = None
    """Score that decides, averaged over the test sets: f1 or exact_match; for retrieval accuracy or reverse_accuracy.
    null: the first of these that the test sets have."""
    champion_evaluation: str = ""
    """OUTPUT of an evaluation of the champion on these tests, whose predictions are reused."""
    output: str = ""
    """Folder for scores and predictions, local or s3://; predictions of an earlier evaluation of the challenger on
    these tests are reused. Empty: a new folder below CLISM_HOME/outputs."""
    dry_run: bool = False
    """Test and explain, but change nothing in the registry."""
    batch_size: Annotated[int, Ge(1)] = 32
    """Maximum number of inputs in a forward pass."""
    workers: Annotated[int | None, Ge(1)] = None
    """Number of model replicas that predict concurrently; null: one per GPU of the current cluster or, on CPUs, as many
    as CPUs and memory allow."""
    use_gpu: bool | None = None
    """Whether models predict on GPUs, one each; null: if the cluster currently has any. Set true on autoscaling
    clusters."""
    resamples: Annotated[int, Ge(LEAST_RESAMPLES)] = RESAMPLES
    """Number of resamples for intervals and p values."""


@dataclass(frozen=True)
class Versions:
    """Challenger and champion versions of a registered model."""

    name: str
    challenger: int
    champion: int | None
    """None if there is no champion yet."""

    @property
    def uri(self) -> str:
        """URI of the challenger."""
        return f"models:/{self.name}/{self.challenger}"

    @property
    def champion_uri(self) -> str:
        """URI of the champion."""
        return f"models:/{self.name}/{self.champion}"


@dataclass(frozen=True)
class Decision:
    """Decision on moving the alias."""

    promote: bool
    text: str
    """Explanation, with the scores."""


def find_versions(client: MlflowClient, config: PromoteConfig) -> Versions:
    """Look up both versions in the registry.

    Raises:
        InputError: if the model or the challenger is not found, or the champion alias is missing and not the default.
    """
    models = client.search_registered_models(f"name = '{config.model}'")
    if not models:
        names = ", ".join(sorted(each.name for each in client.search_registered_models())) or "none"
        raise InputError(f"--model {config.model}: not found in the registry, which has {names}")
    if config.challenger.isdecimal():
        numbers = sorted(int(each.version) for each in client.search_model_versions(f"name = '{config.model}'"))
        challenger = int(config.challenger) if int(config.challenger) in numbers else None
    else:
        challenger = version_with_alias(client, config.model, config.challenger)
    if challenger is None:
        raise InputError(f"--challenger {config.challenger}: {config.model} has no such version or alias")
    champion = version_with_alias(client, config.model, config.champion)
    if champion is None and config.champion != CHAMPION:
        aliases = ", ".join(sorted(models[0].aliases)) or "none"
        raise InputError(
            f"--champion {config.champion}: no such alias of {config.model}, which has {aliases}; only {CHAMPION} is "
            "set automatically for a first version, any other alias must already exist"
        )
    return Versions(config.model, challenger, champion)


def decide_untested(versions: Versions) -> Decision | None:
    """Return the decision if no test is needed: there is no champion yet, or the challenger is champion."""
    if versions.champion is None:
        return Decision(
            True,
            f"{versions.name}: version {versions.challenger} becomes champion without a test, "
            "because there was no champion.",
        )
    if versions.champion == versions.challenger:
        return Decision(False, f"{versions.name}: version {versions.challenger} is already champion: nothing to do.")
    return None


def find_metric(wanted: str | None, test_sets: Sequence[TestSet]) -> str:
    """Return the score that decides; all test sets, at least one, must have it.

    Raises:
        InputError: if a test set lacks the score.
    """
    metric = wanted or test_sets[0].score_names[0]
    for test_set in test_sets:
        if metric not in test_set.score_names:
            has = ", ".join(test_set.score_names)
            raise InputError(
                f"--metric {metric}: {title(test_set)} has only the scores {has}; give test sets of one kind"
            )
    return metric


def decide(
    versions: Versions, challenger: Examples, champion: Examples, *, metric: str, resamples: int = RESAMPLES
) -> Decision:
    """Decide by the score averaged over all test sets: promote if the 95 % interval of the difference is above 0.

    Args:
        versions: tested versions.
        challenger, champion: scored examples of both versions on the same test sets.
        metric: score that decides, which all test sets have.
        resamples: number of resamples.

    Raises:
        InputError: if the test sets cannot be compared.
    """
    names = [(dataset, language) for dataset, languages in challenger.items() for language in languages]
    new, old = ([each[dataset][language][metric] for dataset, language in names] for each in (challenger, champion))
    comparison = compare(new, old, resamples=resamples)
    promote = comparison.interval.low > 0
    means = [sum(each.value for each in scores) / len(scores) for scores in (new, old)]
    sets = f"{len(names)} test sets" if len(names) > 1 else "1 test set"
    figures = (
        f"its {metric} over {sets} is {means[0]:.2f} on average, that of version {versions.champion} {means[1]:.2f}; "
        f"the difference is {comparison.difference:+.2f} points, with a 95 % interval of "
        f"{comparison.interval.low:+.2f} to {comparison.interval.high:+.2f} ({p_text(comparison.p_value)}), which "
    )
    verdict = (
        f"version {versions.challenger} becomes champion in place of version {versions.champion}: {figures}lies above 0"
        if promote
        else f"version {versions.champion} stays champion. As for version {versions.challenger}, {figures}"
        "does not lie above 0"
    )
    return Decision(promote, f"{versions.name}: {verdict}.\n\n{_table(names, new, old)}")


def carry_out(client: MlflowClient, versions: Versions, decision: Decision, *, alias: str) -> None:
    """Move the alias if the decision says so, and store the decision as tags of both versions.

    Raises:
        InputError: if the alias was moved since the versions were looked up.
    """
    current = version_with_alias(client, versions.name, alias)
    if current != versions.champion:
        raise InputError(f"{versions.name}: {alias} was moved to version {current} in the meantime; start again")
    if decision.promote:
        client.set_registered_model_alias(versions.name, alias, str(versions.challenger))
    for version in {versions.challenger, versions.champion} - {None}:
        client.set_model_version_tag(versions.name, str(version), PROMOTION_TAG, decision.text)


def _table(names: Sequence[tuple[str, str]], new: Sequence[ScoredExamples], old: Sequence[ScoredExamples]) -> str:
    rows = [
        [f"{dataset}/{language}", f"{one.value:.2f}", f"{other.value:.2f}", f"{one.value - other.value:+.2f}"]
        for (dataset, language), one, other in zip(names, new, old, strict=True)
    ]
    return markdown_table(["test set", "challenger", "champion", "difference"], rows)
