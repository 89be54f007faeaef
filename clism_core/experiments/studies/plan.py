"""Plan of a study: its runs, which of them are finished, and the estimate for the rest."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from clism_core.experiments.concurrency import run_concurrency
from clism_core.experiments.studies.config import StudyConfig
from clism_core.experiments.studies.definition import load_study
from clism_core.experiments.studies.estimate import Estimate, estimate, rate_key, work_units
from clism_core.experiments.studies.run_graph import Chain, Stage, all_stages
from clism_core.experiments.studies.run_records import FinishedRun, find_finished, stage_digests


@dataclass(frozen=True)
class StudyPlan:
    """Runs of a study, by the names of their stages."""

    chains: Sequence[Chain]
    stages: Mapping[str, Stage]
    """Stages, each after the one it depends on."""
    input_digests: Mapping[str, Mapping[str, str]]
    """Digests of the inputs of each stage, by path."""
    finished: Mapping[str, FinishedRun]

    @property
    def missing(self) -> list[Stage]:
        """Stages that are not finished."""
        return [stage for name, stage in self.stages.items() if name not in self.finished]


def plan_study(config: StudyConfig) -> StudyPlan:
    """Return the runs of a study, with those that are finished.

    Args:
        config: with absolute paths.

    Raises:
        InputError: if inputs of finished runs have changed.
    """
    chains = load_study(config.name).chains(config)
    stages = all_stages(chains)
    digests = stage_digests(stages)
    return StudyPlan(chains, stages, digests, find_finished(stages, config.output, digests))


def estimate_study(config: StudyConfig, plan: StudyPlan) -> Estimate:
    """Estimate the missing runs from finished runs of the same kind, or else from the configured rates."""
    measured: dict[str, list[float]] = {}
    for name, run in plan.finished.items():
        if run.seconds is not None:
            stage = plan.stages[name]
            measured.setdefault(rate_key(stage), []).append(run.seconds / work_units(stage, config.estimate))
    return estimate(plan.missing, measured, config.cluster, config.estimate)


def study_concurrency(config: StudyConfig, plan: StudyPlan) -> int:
    """Return the number of missing runs to run concurrently.

    Raises:
        InputError: as `run_concurrency` does.
    """
    missing = plan.missing
    if not missing:
        return 0
    return min(run_concurrency([stage.workers for stage in missing], requested=config.max_concurrent), len(missing))
