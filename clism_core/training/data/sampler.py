"""Sampler: the samples of each global batch, as a pure function of the seed and the step.

Each language pair of a data set is an endless stream of permutations of its samples, taken in groups:
`pairs_per_sample` samples form one model input. An epoch of a data set takes the next groups from each of its streams,
such that the total over all epochs so far is proportional to size ** `sampling_alpha`, and shuffles them. With several
data sets, a cycle takes the next groups from each, in proportion to its weight, and interleaves them at random; with a
single data set, cycles are its epochs. The concatenated cycles are split into windows of `window` global batches; each
window is sorted by length and split into global batches, which are shuffled. The number of workers does not matter:
each takes its part of a batch.
"""

from collections import OrderedDict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from clism_core.utils.errors import InputError

Integers = npt.NDArray[np.int64]

_STREAM, _EPOCH, _WINDOW, _CYCLE = range(4)  # purpose of a random generator, a part of its seed


class GlobalBatch(NamedTuple):
    """Samples of one global batch: for each of its G inputs, k ordinals and how often its stage sampled each before."""

    ordinals_GK: Integers
    visits_GK: Integers

    def part(self, rank: int, workers: int) -> "GlobalBatch":
        """Return the part of worker `rank` of `workers`: every `workers`-th input. Sizes differ by at most one."""
        return GlobalBatch(self.ordinals_GK[rank::workers], self.visits_GK[rank::workers])


@dataclass(frozen=True)
class Stage:
    """Steps `[first_step, stop_step)` in which `pairs_per_sample` sentence pairs form one input."""

    first_step: int
    stop_step: int
    pairs_per_sample: int


def make_stages(pairs_per_sample: dict[float, int], total_steps: int) -> list[Stage]:
    """Convert {share of training: pairs per sample} to stages; `{0: 1, 0.6: 4}` gives two."""
    starts = sorted(pairs_per_sample)
    steps = [round(start * total_steps) for start in starts] + [total_steps]
    return [
        Stage(first, stop, pairs_per_sample[start])
        for start, first, stop in zip(starts, steps[:-1], steps[1:], strict=True)
        if first < stop
    ]


def share_out(total: int, weights: npt.NDArray[np.float64]) -> Integers:
    """Split `total` in proportion to `weights` by the largest-remainder method; the parts add up to `total`."""
    exact = total * weights / weights.sum()
    parts = np.floor(exact).astype(np.int64)
    largest = np.argsort(-(exact - parts), kind="stable")[: total - int(parts.sum())]
    parts[largest] += 1
    shares: Integers = parts
    return shares


def share_out_steadily(total: int, weights: npt.NDArray[np.float64]) -> Integers:
    """Split `total` in proportion to `weights` monotonically: a greater total makes no part smaller.

    This is Webster's method: with weights that add up to 1, a part takes its k-th piece at time (k - 1/2) / weight, and
    pieces are taken in the order of these times, ties in the order of the parts.
    """
    if len(weights) == 1:
        return np.array([total])
    weights = weights / weights.sum()
    parts = np.floor(total * weights + 0.5)
    parts += (parts + 0.5) / weights <= total  # correct for rounding errors
    parts -= (parts - 0.5) / weights > total
    missing = total - int(parts.sum())
    for _ in range(missing):
        parts[np.argmin((parts + 0.5) / weights)] += 1
    for _ in range(-missing):
        parts[len(parts) - 1 - np.argmax(((parts - 0.5) / weights)[::-1])] -= 1
    shares: Integers = parts.astype(np.int64)
    return shares


class _EndlessDataSet:
    """Endless sequence of the groups of one data set, epoch after epoch.

    Args:
        number: index of the data set.
        members: ordinals of its samples, by language pair.
        sampling_alpha: language pairs are sampled in proportion to size ** alpha.
        seed: seed of all shuffling.
    """

    def __init__(self, number: int, members: dict[int, Integers], *, sampling_alpha: float, seed: int):
        self._members = members
        self._weights = np.array([len(part) for part in members.values()], dtype=np.float64) ** sampling_alpha
        self._seed = seed
        self._place = (number,) if number else ()  # the order of the first data set does not depend on others

    def __len__(self) -> int:
        return sum(map(len, self._members.values()))

    def epoch_size(self, pairs_per_sample: int) -> int:
        """Return the number of groups per epoch."""
        return max(1, len(self) // pairs_per_sample)

    def groups(self, stage: int, pairs_per_sample: int, first: int, size: int) -> GlobalBatch:
        """Return `size` groups from position `first` of the concatenated epochs."""
        none = np.empty((0, pairs_per_sample), dtype=np.int64)
        parts = [GlobalBatch(none, none)]
        while size > 0:
            epoch, offset = divmod(first, self.epoch_size(pairs_per_sample))
            ordinals, visits = self._epoch(stage, pairs_per_sample, epoch)
            parts.append(GlobalBatch(ordinals[offset : offset + size], visits[offset : offset + size]))
            first, size = first + len(parts[-1].ordinals_GK), size - len(parts[-1].ordinals_GK)
        return _concatenate(parts)

    def _epoch(self, stage: int, pairs_per_sample: int, epoch: int) -> GlobalBatch:
        """Return the shuffled groups of an epoch."""
        first, stop = (self._drawn_before(number, pairs_per_sample) for number in (epoch, epoch + 1))
        streams = [
            self._stream(stage, code, int(first[place]), int(stop[place] - first[place]))
            for place, code in enumerate(self._members)
        ]
        ordinals, visits = (
            np.concatenate(columns).reshape(-1, pairs_per_sample) for columns in zip(*streams, strict=True)
        )
        order = self._generator(_EPOCH, stage, epoch).permutation(len(ordinals))
        return GlobalBatch(ordinals[order], visits[order])

    def _drawn_before(self, epoch: int, pairs_per_sample: int) -> Integers:
        """Return the number of samples of each language pair in all epochs before `epoch`."""
        return share_out_steadily(epoch * self.epoch_size(pairs_per_sample), self._weights) * pairs_per_sample

    def _stream(self, stage: int, code: int, first: int, size: int) -> tuple[Integers, Integers]:
        """Return `size` samples from position `first` of a language pair's endless stream, and their visits."""
        members = self._members[code]
        ordinals, visits = [np.empty(0, np.int64)], [np.empty(0, np.int64)]
        while size > 0:
            visit, offset = divmod(first, len(members))
            part = self._generator(_STREAM, stage, code, visit).permutation(members)[offset : offset + size]
            ordinals.append(part)
            visits.append(np.full(len(part), visit, dtype=np.int64))
            first, size = first + len(part), size - len(part)
        return np.concatenate(ordinals), np.concatenate(visits)

    def _generator(self, purpose: int, *place: int) -> np.random.Generator:
        return np.random.default_rng([self._seed, purpose, *place, *self._place])


class SampleOrder:
    """Order of all samples over a whole training run.

    Args:
        lengths: [N] length of each sample (source and target) in tokens, by ordinal.
        pair_codes: [N] language pair of each sample, 0 <= code < number of pairs.
        set_numbers: [N] data set of each sample, 0 <= number < number of data sets.
        set_weights: weights of the data sets: each has the share weight / sum of weights of the inputs, regardless of
            its size.
        stages: stages from `make_stages`.
        global_batch_size: inputs per step, over all workers.
        window: number of global batches that are sorted by length together; 1 keeps the order random.
        sampling_alpha: language pairs of a data set are sampled in proportion to size ** alpha.
        seed: seed of all randomness.

    Raises:
        InputError: if a weight is so small that its data set would never be sampled.
    """

    def __init__(
        self,
        *,
        lengths: Integers,
        pair_codes: Integers,
        set_numbers: Integers,
        set_weights: Sequence[float],
        stages: Sequence[Stage],
        global_batch_size: int,
        window: int,
        sampling_alpha: float,
        seed: int,
    ):
        self.lengths = lengths
        self.stages = list(stages)
        self.global_batch_size = global_batch_size
        self.window = window
        self.seed = seed
        self._data_sets = [
            _EndlessDataSet(number, members, sampling_alpha=sampling_alpha, seed=seed)
            for number, members in enumerate(_members(set_numbers, pair_codes, n_sets=len(set_weights)))
        ]
        self._quotas = [self._share_out_cycle(stage, set_weights) for stage in self.stages]
        self._cycles: OrderedDict[tuple[int, int], GlobalBatch] = OrderedDict()

    def batch(self, step: int) -> GlobalBatch:
        """Return the global batch of `step` (0-based)."""
        number, stage = next(
            (number, stage) for number, stage in enumerate(self.stages) if stage.first_step <= step < stage.stop_step
        )
        window, place = divmod(step - stage.first_step, self.window)
        groups = self._groups(number, window * self.window * self.global_batch_size)
        by_length = np.argsort(self.lengths[groups.ordinals_GK].sum(axis=1), kind="stable")
        shuffled = self._generator(_WINDOW, number, window).permutation(self.window)[place]
        chosen = by_length[shuffled * self.global_batch_size : (shuffled + 1) * self.global_batch_size]
        return GlobalBatch(groups.ordinals_GK[chosen], groups.visits_GK[chosen])

    def passes(self) -> list[float]:
        """Return the mean number of times that the samples of each data set are used over the whole run."""
        drawn = np.zeros(len(self._data_sets))
        for stage, quotas in zip(self.stages, self._quotas, strict=True):
            inputs = (stage.stop_step - stage.first_step) * self.global_batch_size
            drawn += inputs * stage.pairs_per_sample * quotas / quotas.sum()
        return [float(total) / len(data_set) for total, data_set in zip(drawn, self._data_sets, strict=True)]

    def _share_out_cycle(self, stage: Stage, weights: Sequence[float]) -> Integers:
        """Return the number of groups of each data set per cycle; a cycle is as long as the sum of their epochs."""
        size = sum(data_set.epoch_size(stage.pairs_per_sample) for data_set in self._data_sets)
        quotas = share_out(size, np.array(weights, dtype=np.float64))
        if not quotas.all():
            weight = weights[int(np.argmin(quotas))]
            raise InputError(
                f"--data: the weight {weight} is too small beside {max(weights)}: its data set would get none of "
                f"{size} inputs; give it a greater weight, or remove the data set"
            )
        return quotas

    def _groups(self, stage: int, first: int) -> GlobalBatch:
        """Return one window of groups from position `first` of the concatenated cycles of a stage."""
        size, parts = self.window * self.global_batch_size, []
        while size > 0:
            cycle, offset = divmod(first, int(self._quotas[stage].sum()))
            ordinals, visits = self._cycle(stage, cycle)
            parts.append(GlobalBatch(ordinals[offset : offset + size], visits[offset : offset + size]))
            first, size = first + len(parts[-1].ordinals_GK), size - len(parts[-1].ordinals_GK)
        return _concatenate(parts)

    def _cycle(self, stage: int, cycle: int) -> GlobalBatch:
        """Return the groups of a cycle, those of each data set in its own order; the last two cycles are cached."""
        key = (stage, cycle)
        if key not in self._cycles:
            quotas, size = self._quotas[stage], self.stages[stage].pairs_per_sample
            by_set = _concatenate(
                data_set.groups(stage, size, cycle * int(quota), int(quota))
                for data_set, quota in zip(self._data_sets, quotas, strict=True)
            )
            self._cycles[key] = by_set if len(quotas) == 1 else self._interleave(by_set, stage, cycle)
            if len(self._cycles) > 2:
                self._cycles.popitem(last=False)
        return self._cycles[key]

    def _interleave(self, by_set: GlobalBatch, stage: int, cycle: int) -> GlobalBatch:
        """Interleave the groups of the data sets at random, keeping the order within each data set."""
        numbers = np.repeat(np.arange(len(self._data_sets)), self._quotas[stage])
        turns = self._generator(_CYCLE, stage, cycle).permutation(numbers)  # the data set at each position
        order = np.empty_like(turns)
        order[np.argsort(turns, kind="stable")] = np.arange(len(turns))
        return GlobalBatch(by_set.ordinals_GK[order], by_set.visits_GK[order])

    def _generator(self, purpose: int, *place: int) -> np.random.Generator:
        return np.random.default_rng([self.seed, purpose, *place])


def _members(set_numbers: Integers, pair_codes: Integers, *, n_sets: int) -> list[dict[int, Integers]]:
    """Return the ordinals of each language pair of each data set."""
    members: list[dict[int, Integers]] = []
    for number in range(n_sets):
        inside = np.flatnonzero(set_numbers == number)
        codes = pair_codes[inside]
        members.append({int(code): inside[codes == code] for code in np.unique(codes)})
    return members


def _concatenate(parts: Iterable[GlobalBatch]) -> GlobalBatch:
    return GlobalBatch(*(np.concatenate(columns) for columns in zip(*parts, strict=True)))
