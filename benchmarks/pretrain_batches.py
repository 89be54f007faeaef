"""Batches for benchmarks of pre-training, without Ray: real sentence pairs with spans at random places."""

import random
from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch import nn

from clism_core.model.tokenizer import TextTokenizer
from clism_core.preparation.corpus import CappedRows, CorpusConfig
from clism_core.pretraining.batches import Batch, BatchBuilder, MaskingConfig
from clism_core.pretraining.encoding import EncodedSample, Span, text_key
from clism_core.pretraining.model import PretrainingModel
from clism_core.training.data.sampler import SampleOrder, make_stages

WINDOW = 16
"""Number of batches that are sorted by length together, as in the job."""


class Batches:
    """Batches of rounds, on the model's device: sorted by length as in the job, or in random order.

    MLM's random replacements are tokens that the model trains.
    """

    def __init__(self, model: PretrainingModel, samples: Sequence[EncodedSample], batch_size: int, rounds: int):
        trained = model.vocabulary.ids
        token_ids = None if trained is None else trained.tolist()
        self.builder = BatchBuilder(model.tokenizer, MaskingConfig(), seed=0, token_ids=token_ids)
        self._device = next(model.parameters()).device
        self._samples = samples
        self._size = batch_size
        zeros = np.zeros(len(samples), dtype=np.int64)
        self._order = SampleOrder(
            lengths=np.array([len(sample.source_ids) + len(sample.target_ids) for sample in samples]),
            pair_codes=zeros,
            set_numbers=zeros,
            set_weights=[1.0],
            stages=make_stages({0.0: 1}, rounds),
            global_batch_size=batch_size,
            window=WINDOW,
            sampling_alpha=1.0,
            seed=0,
        )

    def sorted(self, number: int) -> Batch:
        """Return the batch of a round."""
        return self._build(self._of_round(number))

    def sorted_parts(self, number: int, max_positions: int) -> list[Batch]:
        """Return the batch of a round in parts of at most `max_positions` tokens, padding included."""
        chosen = self._of_round(number)
        longest = self._build(chosen).input_ids.shape[1]
        return self._parts(chosen, max(1, max_positions // longest))

    def random_parts(self, number: int, size: int) -> list[Batch]:
        """Return a batch of pairs in random order, in parts of `size`."""
        return self._parts(self._samples[number * self._size : (number + 1) * self._size], size)

    def _of_round(self, number: int) -> list[EncodedSample]:
        return [self._samples[ordinal] for ordinal in self._order.batch(number).ordinals_GK.ravel().tolist()]

    def _parts(self, samples: Sequence[EncodedSample], size: int) -> list[Batch]:
        return [self._build(samples[first : first + size]) for first in range(0, len(samples), size)]

    def _build(self, samples: Sequence[EncodedSample]) -> Batch:
        return self.builder([[sample] for sample in samples]).to(self._device)


def draw_samples(corpora: Sequence[CorpusConfig], model: PretrainingModel, *, number: int) -> list[EncodedSample]:
    """Draw pairs from the corpora, equally many from each, with two spans of one to three tokens per pair."""
    generator = random.Random(0)
    tokenize = TextTokenizer(model.tokenizer)
    pairs: list[tuple[str, str]] = []
    for place, corpus in enumerate(corpora):
        rows = [(row.source, row.target) for row in CappedRows(corpus) if row.source and row.target]
        pairs += generator.sample(rows, (number - len(pairs)) // (len(corpora) - place))
    generator.shuffle(pairs)
    samples = []
    for ordinal, (source, target) in enumerate(pairs):
        ids = [tokenize(text).ids for text in (source, target)]
        spans = list(draw_spans(*map(len, ids), generator=generator))
        keys = {"source_key": text_key(source), "target_key": text_key(target)}
        samples.append(EncodedSample(ids[0], ids[1], spans, **keys, ordinal=ordinal))
    return samples


def draw_spans(source: int, target: int, *, generator: random.Random) -> Iterator[Span]:
    """Yield up to two spans without overlaps, given the numbers of tokens: one per half of the sentences."""
    for half in range(2):
        edges = []
        for length in (source, target):
            first, stop = half * (length // 2), (half + 1) * (length // 2)
            size = min(generator.randint(1, 3), stop - first)
            start = generator.randint(first, stop - size)
            edges += [start, start + size]
        if edges[0] < edges[1] and edges[2] < edges[3]:
            yield Span(*edges)


def useful_flop(model: PretrainingModel, batch: Batch) -> float:
    """Return the floating-point operations of the matrix products of a step, without those on padding.

    Forward, a product takes 2 per weight and token, and attention in a layer 4 L^2 D for L tokens; backward, twice as
    many. The span head and the losses take less than 1 % of them.
    """
    layers = model.encoder.config.num_hidden_layers
    lengths = torch.cat([batch.attention_mask.sum(1), batch.plain_attention_mask.sum(1)]).double()
    in_encoder = (
        2 * _linear_weights(model.encoder) * lengths.sum() + 4 * layers * model.hidden_size * (lengths**2).sum()
    )
    return 3 * float(in_encoder + 2 * _linear_weights(model.mlm_head) * len(batch.mlm_label))


def _linear_weights(module: nn.Module) -> int:
    """Return the number of weights of linear layers, without those of a pooler, which is not trained."""
    linear = {name: part for name, part in module.named_modules() if isinstance(part, nn.Linear)}
    return sum(part.weight.numel() for name, part in linear.items() if not name.startswith("pooler"))
