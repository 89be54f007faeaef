"""Comparison and figure of the samples that the workers of several runs were given."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator


class Delivery(NamedTuple):
    """Samples that one worker was given for one step."""

    workers: int
    first: int
    """Step (from 0) from which the workers had started or resumed."""
    step: int
    rank: int
    samples: tuple[str, ...]
    """Id of each sample, and how often it was used before."""

    @classmethod
    def parse(cls, values: Sequence[Any]) -> "Delivery":
        """Return the delivery that was written as a JSON list."""
        workers, first, step, rank, samples = values
        return cls(workers, first, step, rank, tuple(samples))


class Attempt(NamedTuple):
    """What a group of workers was given from its start until it ended or was lost."""

    workers: int
    first: int
    steps: dict[int, dict[int, tuple[str, ...]]]
    """Samples by step and rank; at the last step of a lost group, some ranks may be missing."""


def attempts(deliveries: Sequence[Delivery]) -> list[Attempt]:
    """Return the attempts of a run in the order of their starts; no two of them have the same workers and start."""
    by_group: dict[tuple[int, int], dict[int, dict[int, tuple[str, ...]]]] = defaultdict(lambda: defaultdict(dict))
    for each in deliveries:
        assert each.rank not in by_group[each.workers, each.first][each.step], f"{each} was given twice"
        by_group[each.workers, each.first][each.step][each.rank] = each.samples
    ordered = sorted(by_group.items(), key=lambda entry: entry[0][1])
    return [Attempt(workers, first, dict(sorted(steps.items()))) for (workers, first), steps in ordered]


def kept(tried: Sequence[Attempt]) -> dict[int, Attempt]:
    """Return the attempt whose weights remain, by step: the last one that made the step."""
    return {step: attempt for attempt in tried for step in attempt.steps}


def repeated(tried: Sequence[Attempt]) -> list[int]:
    """Return the steps that more than one attempt began."""
    times = Counter(step for attempt in tried for step in attempt.steps)
    return sorted(step for step, number in times.items() if number > 1)


def problems(tried: Sequence[Attempt], reference: Attempt, *, steps: int) -> Iterator[str]:
    """Yield differences from `reference`, a run with one worker: other bytes, and samples that were lost or used twice.

    Every delivery is compared, also those of attempts that were lost.
    """
    for attempt in tried:
        for step, parts in attempt.steps.items():
            for rank, samples in parts.items():
                expected = reference.steps[step][0][rank :: attempt.workers]
                if "\n".join(samples).encode() != "\n".join(expected).encode():
                    yield f"step {step + 1}: worker {rank} of {attempt.workers} has {samples}, not {expected}"
    final = kept(tried)
    if missing := sorted(set(range(steps)) - set(final)):
        yield f"steps {[step + 1 for step in missing]} are missing"
    used = Counter(s for step, attempt in final.items() for part in attempt.steps[step].values() for s in part)
    due = Counter(sample for step in range(steps) for sample in reference.steps[step][0])
    if lost := sorted((due - used).elements()):
        yield f"lost: {', '.join(lost)}"
    if twice := sorted((used - due).elements()):
        yield f"used twice: {', '.join(twice)}"


def summary(tried: Sequence[Attempt]) -> str:
    """Return the groups of workers of a run with their steps (from 1), and which steps were repeated."""
    groups = [f"{each.workers} from step {each.first + 1} to {max(each.steps) + 1}" for each in tried]
    final = kept(tried)
    samples = sum(len(part) for step, attempt in final.items() for part in attempt.steps[step].values())
    again = ", ".join(str(step + 1) for step in repeated(tried)) or "none"
    return f"workers: {', then '.join(groups)}; {samples} samples in {len(final)} steps; steps begun twice: {again}"


def draw(runs: Mapping[str, Sequence[Attempt]], reference: Attempt) -> Figure:
    """Draw a panel per run: a dot for each use of a sample, at its step, coloured by worker.

    A sample's height is its number among all samples, by id. Uses by attempts that were lost are circles.
    """
    names = sorted({sample.split()[0] for parts in reference.steps.values() for sample in parts[0]})
    height = {name: number for number, name in enumerate(names)}
    figure = Figure(figsize=(10, 6.4), layout="constrained")
    panels = figure.subplots(2, 2, sharex=True, sharey=True)
    for axes, (title, tried) in zip(panels.flat, runs.items(), strict=True):
        final = kept(tried)
        for attempt in tried:
            for step, parts in attempt.steps.items():
                for rank, samples in parts.items():
                    at = [height[sample.split()[0]] for sample in samples]
                    colour, x = f"C{rank}", [step + 1] * len(at)
                    if final[step] is attempt:
                        axes.scatter(x, at, s=13, color=colour, linewidths=0)
                    else:
                        axes.scatter(x, at, s=38, facecolors="none", edgecolors=colour, linewidths=0.9)
        for before, attempt in pairwise(tried):
            axes.axvline(attempt.first + 0.5, color="0.45", linewidth=0.9, linestyle="--")
            change = f"{before.workers} → {attempt.workers}" if before.workers != attempt.workers else "restart"
            place = {"xy": (attempt.first + 0.6, 1.0), "xycoords": ("data", "axes fraction")}
            axes.annotate(change, **place, fontsize=8, color="0.3", va="bottom")
        axes.set_title(title, fontsize=10, pad=14 if len(tried) > 1 else 6)
        axes.xaxis.set_major_locator(MaxNLocator(nbins=8, integer=True))
        axes.grid(alpha=0.25)
    for axes in panels[1]:
        axes.set_xlabel("step")
    for axes in panels[:, 0]:
        axes.set_ylabel("sample, by id")
    workers = max(attempt.workers for tried in runs.values() for attempt in tried)
    marks = [Line2D([], [], marker="o", linestyle="", color=f"C{n}", markersize=4) for n in range(workers)]
    marks.append(Line2D([], [], marker="o", linestyle="", markerfacecolor="none", color="0.3", markersize=6))
    labels = [f"worker {number}" for number in range(workers)]
    figure.legend(marks, [*labels, "lost, and trained again"], loc="outside lower center", ncols=5, frameon=False)
    return figure
