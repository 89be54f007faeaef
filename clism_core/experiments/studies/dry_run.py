"""Text of a dry run: missing runs with their estimated time and cost."""

from clism_core.experiments.studies.config import StudyConfig
from clism_core.experiments.studies.plan import StudyPlan, estimate_study
from clism_core.utils.progress import duration
from clism_core.utils.text import describe


def dry_run_text(config: StudyConfig, plan: StudyPlan) -> str:
    """Return the missing runs of a study, one per line, with their estimated time and cost."""
    total, cluster, missing = estimate_study(config, plan), config.cluster, plan.missing
    lines = [
        f"  {stage.name:<22} {duration(total.seconds[stage.name]):>11}  {describe(stage.labels)}" for stage in missing
    ]
    warning = f"{len(total.too_large)} of the runs need more than this cluster has, and would never start.\n"
    return f"""
{config.name}: {len(plan.stages)} runs in {config.output}; {len(plan.finished)} finished, {len(missing)} to run:
{chr(10).join(lines)}

On {cluster.cpus:g} CPUs and {cluster.gpus:g} GPUs, at most {total.concurrency} of the largest runs at a time:
about {duration(total.hours * 3600)} in total and {total.dollars:,.2f} dollars, at {cluster.dollars_per_hour:g} an hour.
{warning if total.too_large else ""}Based on finished runs of the same kind, or else on the rates in --estimate.
"""
