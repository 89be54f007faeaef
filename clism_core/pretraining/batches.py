"""Conversion of encoded samples to the tensors of a micro-batch: `[QUE]`, answer positions, and tokens masked for MLM.

Shapes: B inputs, L tokens of X, S tokens of the plain source, at most K questions per input, M masked tokens.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Annotated

import numpy as np
import torch
from annotated_types import Ge, Gt, Lt
from torch import Tensor
from transformers import PreTrainedTokenizerBase

from clism_core.model.batching import attention_mask, pad
from clism_core.model.inputs import ModelInputs
from clism_core.model.tokenizer import QUE, find_special_ids, find_template, special_id
from clism_core.pretraining.encoding import EncodedSample, Span

TRUNCATED = "truncated_questions"
"""Counter of questions that were dropped because `[QUE]` or the answer was truncated."""
PLAIN_SOURCE, MASKED_TOKENS = "plain_source", "masked_tokens"
"""Needs of objectives: the states of the unmasked source alone, and tokens of X masked for MLM."""


@dataclass
class MaskingConfig:
    """Conversion of a sentence pair to a training input."""

    max_length: Annotated[int, Ge(16)] = 256
    """Maximum length of an input X in tokens, including template tokens; source and target each get half of the rest
    and are truncated to it."""
    max_spans: Annotated[int, Ge(1)] = 2
    """Maximum number of spans per sentence pair that are drawn and masked with [QUE]; the data may contain more. The
    more spans are masked, the less context is left to distinguish them."""
    mlm_probability: Annotated[float, Gt(0), Lt(1)] = 0.15
    """Share of X's tokens that MLM predicts; of these, 80 % become <mask>, 10 % a random token, and 10 % are unchanged.
    Special tokens, including <unk>, which may stand for any text, are neither predicted nor used as random tokens."""
    mask_answers: bool = False
    """Whether MLM may also mask tokens of answers."""


@dataclass(kw_only=True)
class Batch(ModelInputs):
    """Micro-batch of pre-training: X contains `[QUE]` and MLM masks."""

    source_mask: Tensor  # [B, L] tokens of the masked source
    target_mask: Tensor  # [B, L] tokens of the translation
    question_position: Tensor  # [B, K] positions of the [QUE]s, 0 for padding
    question_mask: Tensor  # [B, K]
    answer_start: Tensor  # [B, K] first token of the answer
    answer_end: Tensor  # [B, K] last token of the answer
    mlm_row: Tensor  # [M]
    mlm_position: Tensor  # [M]
    mlm_label: Tensor  # [M] original tokens
    plain_ids: Tensor  # [B, S] the unmasked source alone
    plain_attention_mask: Tensor  # [B, S]
    plain_token_type_ids: Tensor | None  # [B, S]
    plain_mask: Tensor  # [B, S] tokens of the plain source, without the template
    keys: Tensor  # [B, 2] hashes of source and target text


@dataclass
class _Input:
    """One input X before padding."""

    ids: list[int]
    types: list[int]
    source: slice
    target: slice
    questions: list[tuple[int, int, int]]  # position of [QUE], first and last token of its answer
    truncated: int
    masked: list[int]
    labels: list[int]
    plain: list[int]


class BatchBuilder:
    """Builder of micro-batches from encoded samples; the masking depends only on seed, sample and visit.

    Args:
        tokenizer: tokenizer of the samples.
        config: masking and lengths.
        seed: seed of the masking.
        token_ids: tokens from which MLM's random replacements are drawn, if they are not special; None: all.
    """

    def __init__(
        self,
        tokenizer: PreTrainedTokenizerBase,
        config: MaskingConfig,
        *,
        seed: int,
        token_ids: Iterable[int] | None = None,
    ):
        self.config = config
        self.seed = seed
        self.que_id: int = tokenizer.get_vocab()[QUE]
        self.mask_id = special_id(tokenizer, "mask")
        self.pad_id = special_id(tokenizer, "pad")
        self.special_ids = find_special_ids(tokenizer)
        token_ids = range(len(tokenizer)) if token_ids is None else token_ids
        self.ordinary_ids = np.array([i for i in token_ids if i not in self.special_ids], dtype=np.int64)
        self.pair_template = find_template(tokenizer, pair=True)
        self.single_template = find_template(tokenizer, pair=False)
        self.side_length = (config.max_length - self.pair_template.size) // 2

    def __call__(self, groups: Sequence[Sequence[EncodedSample]]) -> Batch:
        """Build a batch with one input per group of samples; the sources and the targets of a group are joined."""
        return self._collate([self._input(group) for group in groups], groups)

    def _input(self, group: Sequence[EncodedSample]) -> _Input:
        generator = np.random.default_rng([self.seed, *(n for sample in group for n in (sample.ordinal, sample.visit))])
        source: list[int] = []
        target: list[int] = []
        marks: list[tuple[int, int, int]] = []
        for sample in group:
            spans = draw_spans(sample.spans, self.config.max_spans, generator)
            masked, positions = mask_spans(sample.source_ids, spans, self.que_id)
            for span, position in zip(spans, positions, strict=True):
                answer = (len(target) + span.target_start, len(target) + span.target_end - 1)
                marks.append((len(source) + position, *answer))
            source += masked
            target += sample.target_ids
        kept = [mark for mark in marks if mark[0] < self.side_length and mark[2] < self.side_length]
        source, target = source[: self.side_length], target[: self.side_length]

        first, middle, last = self.pair_template.parts
        at_source = len(first)
        at_target = at_source + len(source) + len(middle)
        ids = [*first, *source, *middle, *target, *last]
        questions = [(at_source + que, at_target + start, at_target + end) for que, start, end in kept]
        source_slice = slice(at_source, at_source + len(source))
        target_slice = slice(at_target, at_target + len(target))
        masked_at, labels = self._mask_tokens(ids, (source_slice, target_slice), questions, generator)
        return _Input(
            ids=ids,
            types=self._types(len(first) + len(source) + len(middle), len(target) + len(last)),
            source=source_slice,
            target=target_slice,
            questions=questions,
            truncated=len(marks) - len(kept),
            masked=masked_at,
            labels=labels,
            plain=[token for sample in group for token in sample.source_ids][: self.side_length],
        )

    def _types(self, left: int, right: int) -> list[int]:
        source_type, target_type = self.pair_template.type_ids or (0, 0)
        return [source_type] * left + [target_type] * right

    def _mask_tokens(
        self,
        ids: list[int],
        texts: tuple[slice, slice],
        questions: Sequence[tuple[int, int, int]],
        generator: np.random.Generator,
    ) -> tuple[list[int], list[int]]:
        """Mask `ids` in place for MLM; return the masked positions and their original tokens."""
        answers = () if self.config.mask_answers else questions
        answered = {position for _, start, end in answers for position in range(start, end + 1)}
        eligible = np.array(
            [
                position
                for text in texts
                for position in range(text.start, text.stop)
                if ids[position] not in self.special_ids and position not in answered
            ],
            dtype=np.int64,
        )
        chosen = eligible[generator.random(len(eligible)) < self.config.mlm_probability]
        labels = [ids[i] for i in chosen]
        draws = generator.random(len(chosen))
        random_ids = self.ordinary_ids[generator.integers(len(self.ordinary_ids), size=len(chosen))]
        for position, draw, random_id in zip(chosen, draws, random_ids, strict=True):
            if draw < 0.8:
                ids[position] = self.mask_id
            elif draw < 0.9:
                ids[position] = int(random_id)
        return chosen.tolist(), labels

    def _collate(self, inputs: list[_Input], groups: Sequence[Sequence[EncodedSample]]) -> Batch:
        size, length = len(inputs), max(len(entry.ids) for entry in inputs)
        n_questions = max([1, *(len(entry.questions) for entry in inputs)])
        attended = attention_mask([entry.ids for entry in inputs])
        masks = torch.zeros((2, size, length), dtype=torch.bool)
        questions = torch.zeros((3, size, n_questions), dtype=torch.long)
        question_mask = torch.zeros((size, n_questions), dtype=torch.bool)
        for row, entry in enumerate(inputs):
            masks[0, row, entry.source] = True
            masks[1, row, entry.target] = True
            if entry.questions:
                questions[:, row, : len(entry.questions)] = torch.tensor(entry.questions).T
                question_mask[row, : len(entry.questions)] = True
        plain_ids, plain_attention_mask, plain_mask = self._plain([entry.plain for entry in inputs])
        uses_types = self.pair_template.type_ids is not None
        return Batch(
            input_ids=pad([entry.ids for entry in inputs], self.pad_id),
            attention_mask=attended,
            token_type_ids=pad([entry.types for entry in inputs], 0) if uses_types else None,
            source_mask=masks[0],
            target_mask=masks[1],
            question_position=questions[0],
            question_mask=question_mask,
            answer_start=questions[1],
            answer_end=questions[2],
            mlm_row=torch.tensor([row for row, entry in enumerate(inputs) for _ in entry.masked], dtype=torch.long),
            mlm_position=torch.tensor([i for entry in inputs for i in entry.masked], dtype=torch.long),
            mlm_label=torch.tensor([i for entry in inputs for i in entry.labels], dtype=torch.long),
            plain_ids=plain_ids,
            plain_attention_mask=plain_attention_mask,
            plain_token_type_ids=torch.zeros_like(plain_ids) if uses_types else None,
            plain_mask=plain_mask,
            keys=torch.tensor([_group_keys(group) for group in groups]),
            n_tokens=int(attended.sum()),
            counters={TRUNCATED: sum(entry.truncated for entry in inputs)},
        )

    def _plain(self, texts: list[list[int]]) -> tuple[Tensor, Tensor, Tensor]:
        first, last = self.single_template.parts
        return pad_sentences(texts, first=first, last=last, pad_id=self.pad_id)


def pad_sentences(
    texts: Sequence[Sequence[int]], *, first: Sequence[int], last: Sequence[int], pad_id: int
) -> tuple[Tensor, Tensor, Tensor]:
    """Add the template tokens to single sentences and pad them.

    Returns:
        ids [B, S], attention mask [B, S] (long) and the mask of the sentences' own tokens [B, S] (bool).
    """
    whole = [[*first, *text, *last] for text in texts]
    own = [[0] * len(first) + [1] * len(text) + [0] * len(last) for text in texts]
    return pad(whole, pad_id), attention_mask(whole), pad(own, 0).bool()


def draw_spans(spans: Sequence[Span], limit: int, generator: np.random.Generator) -> list[Span]:
    """Draw at most `limit` of a sample's spans; return them in the order of the source."""
    drawn = generator.permutation(len(spans))[:limit]
    return sorted((spans[i] for i in drawn), key=lambda span: span.source_start)


def mask_spans(source_ids: Sequence[int], spans: Sequence[Span], que_id: int) -> tuple[list[int], list[int]]:
    """Replace each span (sorted, without overlaps) by one `[QUE]`; return the ids and the positions of the `[QUE]`s."""
    masked: list[int] = []
    positions: list[int] = []
    at = 0
    for span in spans:
        masked += source_ids[at : span.source_start]
        positions.append(len(masked))
        masked.append(que_id)
        at = span.source_end
    return [*masked, *source_ids[at:]], positions


def _group_keys(group: Sequence[EncodedSample]) -> tuple[int, int]:
    """Return the source key and the target key of joined samples; for a single sample, its own keys."""
    source, target = 0, 0
    for sample in group:
        source = source * 31 + sample.source_key
        target = target * 31 + sample.target_key
    return _wrap(source), _wrap(target)


def _wrap(value: int) -> int:
    """Wrap an integer to a signed 64-bit integer."""
    return (value + 2**63) % 2**64 - 2**63
