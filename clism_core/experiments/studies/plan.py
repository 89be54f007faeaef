"""What a study consists of, what of it is done, and what the rest will take."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from clism_core.experiments.concurrency import run_concurrency
from clism_core.experiments.studies.config import StudyConfig
from clism_core.experiments.studies.definition import load_study
from clism_core.experiments.studies.estimate import Estimate, estimate, sort_of, work
from clism_core.experiments.studies.run_graph import Chain, Stage, all_stages
from clism_core.experiments.studies.run_records import Finished, finished_before, stage_contents


@dataclass(frozen=True)
class StudyPlan:
    """The runs of a study, by the names of their stages."""

    chains: Sequence[Chain]
    stages: Mapping[str, Stage]
    """Each after that which it needs."""
    contents: Mapping[str, Mapping[str, str]]
    """Digests of what they are made of."""
    finished: Mapping[str, Finished]

    @property
    def missing(self) -> list[Stage]:
        """The runs that are still to be done."""
        return [stage for name, stage in self.stages.items() if name not in self.finished]


def plan_study(config: StudyConfig) -> StudyPlan:
    """Return the runs of a study, and those that are done.

    Args:
        config: with absolute paths.

    Raises:
        InputError: if what finished runs were made of has changed.
    """
    chains = load_study(config.name).chains(config)
    stages = all_stages(chains)
    contents = stage_contents(stages)
    return StudyPlan(chains, stages, contents, finished_before(stages, config.output, contents))


def estimate_study(config: StudyConfig, plan: StudyPlan) -> Estimate:
    """Return what the missing runs will take, by the configured rates or what finished runs of their sort took."""
    measured: dict[str, list[float]] = {}
    for name, run in plan.finished.items():
        if run.seconds is not None:
            stage = plan.stages[name]
            measured.setdefault(sort_of(stage), []).append(run.seconds / work(stage, config.estimate))
    return estimate(plan.missing, measured, config.cluster, config.estimate)


def study_concurrency(config: StudyConfig, plan: StudyPlan) -> int:
    """Return how many of the missing runs there are to be side by side.

    Raises:
        InputError: as `run_concurrency` does.
    """
    missing = plan.missing
    if not missing:
        return 0
    return min(run_concurrency([stage.workers for stage in missing], wanted=config.max_concurrent), len(missing))
