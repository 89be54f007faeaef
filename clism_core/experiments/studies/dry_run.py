"""The text of a dry run: missing runs with their estimated time and cost."""

from clism_core.experiments.studies.config import StudyConfig
from clism_core.experiments.studies.plan import StudyPlan, estimate_study
from clism_core.utils.progress import duration
from clism_core.utils.text import describe


def dry_run_text(config: StudyConfig, plan: StudyPlan) -> str:
    """Return the missing runs of a study, one a line, how long they will take and what they will cost."""
    found, cluster, missing = estimate_study(config, plan), config.cluster, plan.missing
    lines = [
        f"  {stage.name:<22} {duration(found.seconds[stage.name]):>11}  {describe(stage.labels)}" for stage in missing
    ]
    needy = f"{len(found.too_large)} of the runs need more than this cluster has, and would wait for ever.\n"
    return f"""
{config.name}: {len(plan.stages)} runs in {config.output}; {len(plan.finished)} are done, {len(missing)} to do:
{chr(10).join(lines)}

On {cluster.cpus:g} CPUs and {cluster.gpus:g} GPUs, at most {found.concurrency} of the largest at a time:
about {duration(found.hours * 3600)} in all and {found.dollars:,.2f} dollars, at {cluster.dollars_per_hour:g} an hour.
{needy if found.too_large else ""}By the rates of --estimate, or what finished runs of the kind took.
"""
