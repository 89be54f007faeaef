"""Which samples stand in which global batch: a pure function of the seed and the step.

Every language pair is an endless stream of permutations of its samples. An epoch takes its next groups from each
stream (`pairs_per_sample` of them make one model input), in proportion to size ** `sampling_alpha`, and shuffles
them. Windows of `window` global batches are cut from the epochs laid end to end, sorted by length, cut into global
batches, and the batches shuffled. Workers take their parts of a batch; their number changes nothing.
"""

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Integers = npt.NDArray[np.int64]

_STREAM, _EPOCH, _WINDOW = 0, 1, 2  # what a random generator is for, a part of its seed


class GlobalBatch(NamedTuple):
    """Samples of one global batch: for each of its G inputs, k ordinals and how often its stage drew each before."""

    ordinals_GK: Integers
    visits_GK: Integers


@dataclass(frozen=True)
class Stage:
    """Steps `[first_step, stop_step)` during which `pairs_per_sample` sentence pairs make one input."""

    first_step: int
    stop_step: int
    pairs_per_sample: int


def make_stages(pairs_per_sample: dict[float, int], total_steps: int) -> list[Stage]:
    """Turn {share of the training: pairs per sample} into stages; `{0: 1, 0.6: 4}` gives two."""
    starts = sorted(pairs_per_sample)
    steps = [round(start * total_steps) for start in starts] + [total_steps]
    return [
        Stage(first, stop, pairs_per_sample[start])
        for start, first, stop in zip(starts, steps[:-1], steps[1:], strict=True)
        if first < stop
    ]


def share_out(total: int, weights: npt.NDArray[np.float64]) -> Integers:
    """Split `total` in proportion to `weights` by largest remainders; the parts add up to it."""
    exact = total * weights / weights.sum()
    parts = np.floor(exact).astype(np.int64)
    largest = np.argsort(-(exact - parts), kind="stable")[: total - int(parts.sum())]
    parts[largest] += 1
    shares: Integers = parts
    return shares


class SampleOrder:
    """The order of all samples over a whole training run.

    Args:
        lengths: [N] tokens of each sample (source and target), by ordinal.
        pair_codes: [N] language pair of each sample, 0 <= code < number of pairs.
        stages: from `make_stages`.
        global_batch_size: inputs a step, over all workers.
        window: global batches that are sorted by length together; 1 leaves the order random.
        sampling_alpha: language pairs are drawn in proportion to size ** alpha.
        seed: of everything random here.
    """

    def __init__(
        self,
        *,
        lengths: Integers,
        pair_codes: Integers,
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
        self._members = [np.flatnonzero(pair_codes == code) for code in range(int(pair_codes.max()) + 1)]
        self._weights = np.array([len(members) for members in self._members], dtype=np.float64) ** sampling_alpha
        self._epochs: OrderedDict[tuple[int, int], GlobalBatch] = OrderedDict()

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

    def _groups(self, stage: int, first: int) -> GlobalBatch:
        """Return one window of groups from position `first` of the stage's epochs laid end to end."""
        size, parts = self.window * self.global_batch_size, []
        while size > 0:
            epoch, offset = divmod(first, self._epoch_size(stage))
            ordinals, visits = self._epoch(stage, epoch)
            parts.append((ordinals[offset : offset + size], visits[offset : offset + size]))
            first, size = first + len(parts[-1][0]), size - len(parts[-1][0])
        return GlobalBatch(*(np.concatenate(columns) for columns in zip(*parts, strict=True)))

    def _epoch_size(self, stage: int) -> int:
        return max(1, len(self.lengths) // self.stages[stage].pairs_per_sample)

    def _epoch(self, stage: int, epoch: int) -> GlobalBatch:
        """Return the shuffled groups of an epoch; the last two epochs asked for are kept."""
        key = (stage, epoch)
        if key not in self._epochs:
            size = self.stages[stage].pairs_per_sample
            quotas = share_out(self._epoch_size(stage), self._weights)
            streams = [
                self._stream(stage, code, epoch * quota * size, quota * size) for code, quota in enumerate(quotas)
            ]
            ordinals, visits = (np.concatenate(columns).reshape(-1, size) for columns in zip(*streams, strict=True))
            order = self._generator(_EPOCH, stage, epoch).permutation(len(ordinals))
            self._epochs[key] = GlobalBatch(ordinals[order], visits[order])
            if len(self._epochs) > 2:
                self._epochs.popitem(last=False)
        return self._epochs[key]

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
        return np.random.default_rng([self.seed, purpose, *place])
