"""Log lines about a job that waits for resources in use by others."""

import logging
import threading
import time
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import ray
from ray.util import placement_group_table
from ray.util.state import list_actors, list_jobs, list_placement_groups, list_tasks

from clism_core.utils.credentials import hide_credentials

logger = logging.getLogger(__name__)

SECONDS_BETWEEN_LINES = 30.0
_LIMIT = 10_000  # the most entries that Ray lists
_SHOWN = ("CPU", "GPU")
_JOB_ID_LENGTH = 8  # hexadecimal digits, at the end of the ids of placement groups


@dataclass(frozen=True)
class Use:
    """Resources that an actor, a task or a placement group of a job holds or waits for."""

    id: str
    job: str
    resources: Mapping[str, float]


@dataclass(frozen=True)
class Snapshot:
    """Resources of the cluster, and who holds and wants them."""

    total: Mapping[str, float]
    held: list[Use] = field(default_factory=list)
    wanted: list[Use] = field(default_factory=list)
    jobs: Mapping[str, str] = field(default_factory=dict)
    """Commands of jobs, by id."""
    free: Mapping[str, float] = field(default_factory=dict)


class Waits:
    """What a job waits for, from one snapshot to the next.

    Args:
        job: id of the job.
    """

    def __init__(self, job: str):
        self._job = job
        self._wanted = set[str]()

    def line(self, now: Snapshot) -> str:
        """Return what the job has waited for since the last snapshot, and who has it; an empty string if for nothing.

        A queue of its own, as that of a sweep's trials, is no reason to wait: others must hold the resource, or nobody
        of the job.
        """
        wanted = [use for use in now.wanted if use.job == self._job]
        waiting = Counter[str]()
        for use in wanted:
            if use.id in self._wanted:
                waiting.update({name: use.resources[name] for name in _SHOWN if use.resources.get(name)})
        self._wanted = {use.id for use in wanted}
        parts = [self._part(name, amount, now) for name, amount in waiting.items()]
        return "; ".join(filter(None, parts))

    def _part(self, name: str, amount: float, now: Snapshot) -> str:
        holders: dict[str, float] = {}
        for use in now.held:
            if amount_held := use.resources.get(name, 0):
                holders[use.job] = holders.get(use.job, 0) + amount_held
        total = now.total.get(name, 0)
        if not holders.keys() - {self._job} and self._job in holders:
            return ""
        text = f"waiting for {amount:g} {name}"
        used = sum(holders.values()) or total - now.free.get(name, 0)
        if not total or not used:
            return f"{text}: the cluster has {total:g}"
        names = [
            f"{'this job' if job == self._job else _described(job, now.jobs)} ({held:g})"
            for job, held in sorted(holders.items(), key=lambda each: -each[1])
        ]
        return f"{text}: {used:g} of {total:g} in use" + (f" by {', '.join(names)}" if names else "")


def _described(job: str, commands: Mapping[str, str]) -> str:
    return f"job {job}, `{hide_credentials(commands[job])}`" if commands.get(job) else f"job {job}"


def take_snapshot() -> Snapshot:
    """Return the present state of the cluster, from Ray's state API.

    Without a dashboard, as on a local cluster, only placement groups are known; other jobs cannot be there.
    """
    total, free = ray.cluster_resources(), ray.available_resources()
    groups = placement_group_table().values()
    held = [_group(each) for each in groups if each["state"] == "CREATED"]
    wanted = [_group(each) for each in groups if each["state"] in ("PENDING", "RESCHEDULING")]
    try:
        in_groups = {each.placement_group_id for each in list_placement_groups(limit=_LIMIT)}
        actors = list_actors(filters=[("state", "!=", "DEAD")], detail=True, limit=_LIMIT)
        tasks = [
            task
            for state in ("RUNNING", "PENDING_NODE_ASSIGNMENT")
            for task in list_tasks(
                filters=[("state", "=", state), ("type", "=", "NORMAL_TASK")], detail=True, limit=_LIMIT
            )
        ]
        jobs = {job.job_id: job.entrypoint for job in list_jobs(limit=_LIMIT) if job.job_id}
    except Exception:  # no dashboard, or one that is busy: of many kinds
        return Snapshot(total, held, wanted, free=free)
    for actor in actors:
        if actor.placement_group_id not in in_groups:
            use = Use(actor.actor_id, actor.job_id, actor.required_resources or {})
            (held if actor.state == "ALIVE" else wanted).append(use)
    for task in tasks:
        if task.placement_group_id not in in_groups:
            use = Use(task.task_id, task.job_id, task.required_resources or {})
            (held if task.state == "RUNNING" else wanted).append(use)
    return Snapshot(total, held, wanted, jobs, free)


def _group(entry: Mapping[str, object]) -> Use:
    bundles = entry["bundles"]
    assert isinstance(bundles, dict)
    job = str(entry["placement_group_id"])[-_JOB_ID_LENGTH:]
    # One id for all: while Ray Train waits, it replaces its placement group every minute or so.
    return Use("placement group", job, _sum(bundles.values()))


def _sum(resources: Iterable[Mapping[str, float]]) -> Counter[str]:
    total = Counter[str]()
    for each in resources:
        total.update(each)
    return total


def log_waits() -> None:
    """Log every half minute what this job waits for, in a thread, until the connection to Ray ends."""
    waits = Waits(ray.get_runtime_context().get_job_id())

    def watch() -> None:
        while ray.is_initialized():
            time.sleep(SECONDS_BETWEEN_LINES)
            try:
                line = waits.line(take_snapshot())
            except Exception as error:  # the connection has ended
                logger.debug("the state of the cluster is unknown: %s", error)
                continue
            if line:
                logger.info("%s", line)

    threading.Thread(target=watch, name="waits", daemon=True).start()
