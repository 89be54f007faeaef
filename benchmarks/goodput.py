"""Goodput of a training run whose nodes fail: share of the time that goes into steps which are not repeated.

    python benchmarks/goodput.py --step_seconds 1.2 --save_seconds 0.5 --upload_seconds 10 --restart_seconds 60

Pure simulation, beside the formula of Daly (2006), "A higher order estimate of the optimum checkpoint interval for
restart dumps", equation 20: with failures that follow a Poisson process of mean interval M, a checkpoint of d seconds
after every t seconds of steps, and restarts of R seconds,

    goodput = t / (M exp(R / M) (exp((t + d) / M) - 1)), highest at about t = sqrt(2 d M) - d

The formula takes a checkpoint as complete once training continues; in the simulation, its upload takes longer, and a
failure during it costs the interval before, too. Restarts may fail as well. Announced failures are those of
nodes with a notice of preemption: a checkpoint is saved shortly before, as `clism_core.cluster.preemption` does.
"""

import argparse
import math
import random
import statistics
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from tabulate import tabulate

from clism_core.cluster.preemption import CLOCK_DIFFERENCE, UPLOAD_MARGIN

GIVE_UP = 50
"""Multiple of the time without failures after which a simulation ends."""


@dataclass(frozen=True)
class Run:
    """Training run; all times in seconds."""

    steps: int
    step_seconds: float
    checkpoint_every: int
    """Steps between checkpoints."""
    save_seconds: float
    """Time for which a checkpoint interrupts training."""
    upload_seconds: float
    """Time from then on until the checkpoint is complete; training continues."""
    restart_seconds: float
    """Time from a failure to the first step."""

    @property
    def interval(self) -> float:
        """Time of the steps between two checkpoints."""
        return self.checkpoint_every * self.step_seconds

    @property
    def lead(self) -> float:
        """Greatest time from the last checkpoint before an announced failure to the failure."""
        return self.step_seconds + UPLOAD_MARGIN * (self.save_seconds + self.upload_seconds) + CLOCK_DIFFERENCE


@dataclass(frozen=True)
class Outcome:
    """Result of a simulated run."""

    seconds: float
    steps: int
    """Number of steps that were reached; fewer than those of the run if there was no progress."""
    failures: int
    repeated: int
    """Steps that were taken again after a failure."""
    most_repeated: int
    """Greatest number of them after one failure."""

    def goodput(self, run: Run) -> float:
        """Return the share of the time that went into the run's steps."""
        return self.steps * run.step_seconds / self.seconds


def simulate(run: Run, intervals: Iterator[float], *, announced: bool = False) -> Outcome:
    """Train to the last step.

    Args:
        run: what to simulate.
        intervals: times from one failure to the next.
        announced: whether a checkpoint is complete `run.lead` before each failure, besides the regular ones.
    """
    now, step, failures, repeated, most = 0.0, 0, 0, 0, 0
    failure, limit = next(intervals), GIVE_UP * run.steps * run.step_seconds
    ends = [0.0]  # of each step since the last restart
    uploads = [(0.0, 0)]  # when a checkpoint of which step is complete
    while step < run.steps and now < limit:
        due = (step + 1) % run.checkpoint_every == 0
        end = now + run.step_seconds + (run.save_seconds if due else 0.0)
        if end <= failure:
            now, step = end, step + 1
            ends.append(now)
            if due:
                uploads.append((now + run.upload_seconds, step))
            continue
        kept = max(saved for complete, saved in uploads if complete <= failure)
        if announced:
            first = step - len(ends) + 1
            kept = max(kept, first + max(0, sum(end <= failure - run.lead for end in ends) - 1))
        repeated, most, step = repeated + step - kept, max(most, step - kept), kept
        now, failure, failures = failure, failure + next(intervals), failures + 1
        while failure < now + run.restart_seconds and now < limit:
            now, failure, failures = failure, failure + next(intervals), failures + 1
        now += run.restart_seconds
        ends, uploads = [now], [(now, step)]
    return Outcome(now, step, failures, repeated, most)


def regular(mtbf: float) -> Iterator[float]:
    """Yield intervals of the same length."""
    while True:
        yield mtbf


def poisson(mtbf: float, seed: int) -> Iterator[float]:
    """Yield the intervals of a Poisson process."""
    generator = random.Random(seed)
    while True:
        yield generator.expovariate(1 / mtbf)


def formula(run: Run, mtbf: float) -> float:
    """Return the expected goodput by Daly's formula."""
    steps = math.expm1((run.interval + run.save_seconds) / mtbf)
    return run.interval / (mtbf * math.exp(run.restart_seconds / mtbf) * steps)


def best_interval(run: Run, mtbf: float) -> int:
    """Return the number of steps between checkpoints that maximises `formula`, if uploads are not to overlap."""
    seconds = max(math.sqrt(2 * run.save_seconds * mtbf) - run.save_seconds, run.upload_seconds)
    return max(1, math.ceil(seconds / run.step_seconds))


def main() -> None:
    """Print one table for the given interval between checkpoints, and one for the best ones."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=15_000, help="steps of a run")
    for name in ("step_seconds", "save_seconds", "upload_seconds", "restart_seconds"):
        parser.add_argument(f"--{name}", type=float, required=True, help=(getattr(Run, name, None)))
    parser.add_argument("--checkpoint_seconds", type=float, default=60.0, help="time between two checkpoints")
    parser.add_argument("--mtbf", type=float, nargs="+", default=[300, 1800, 7200, 86_400], help="seconds")
    parser.add_argument("--runs", type=int, default=20, help="simulated runs per value")
    parser.add_argument("--seed", type=int, default=0, help="seed of the first run")
    given = vars(parser.parse_args())
    mtbfs, runs, seed, every = (given.pop(name) for name in ("mtbf", "runs", "seed", "checkpoint_seconds"))
    run = Run(**given, checkpoint_every=max(1, round(every / given["step_seconds"])))
    print(f"A checkpoint every {run.interval:.0f} s:\n")
    print(table(run, lambda _mtbf: run, mtbfs, runs, seed))
    print("\nThe best interval for each time between failures:\n")
    print(table(run, lambda mtbf: replace(run, checkpoint_every=best_interval(run, mtbf)), mtbfs, runs, seed))


def table(run: Run, at: Callable[[float], Run], mtbfs: list[float], runs: int, seed: int) -> str:
    """Return the goodput for each mean time between failures."""
    rows = []
    for mtbf in mtbfs:
        run = at(mtbf)
        simulated = [simulate(run, poisson(mtbf, seed + number)) for number in range(runs)]
        known = [simulate(run, poisson(mtbf, seed + number), announced=True) for number in range(runs)]
        killed = simulate(run, regular(mtbf))
        rows.append(
            [
                f"{mtbf:.0f}",
                f"{run.interval:.0f}",
                percent(formula(run, mtbf)),
                percent(statistics.fmean(outcome.goodput(run) for outcome in simulated)),
                percent(killed.goodput(run)),
                percent(statistics.fmean(outcome.goodput(run) for outcome in known)),
                f"{max(outcome.most_repeated for outcome in simulated) * run.step_seconds:.0f}",
                f"{max(outcome.most_repeated for outcome in known) * run.step_seconds:.0f}",
            ]
        )
    headers = ["MTBF", "interval", "formula", "simulated", "regular", "announced", "most lost", "most lost, announced"]
    return str(tabulate(rows, headers=headers, tablefmt="github", disable_numparse=True))


def percent(share: float) -> str:
    """Return a share in per cent."""
    return f"{100 * share:.1f} %"


if __name__ == "__main__":
    main()
