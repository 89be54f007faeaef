"""Word alignment by the states of a multilingual encoder, without training: no program, no corpus is needed.

Masoud Jalili Sabet, Philipp Dufter, François Yvon, Hinrich Schütze: SimAlign: High quality word alignments without
parallel training data using static and contextualized embeddings (Findings of EMNLP 2020).

Letters in names of arrays: S and T sub-words of the source and of the target, D the width of a state.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import torch
from transformers import AutoConfig, AutoModel, AutoTokenizer

from clism_core.data.alignment.config import AlignerConfig
from clism_core.data.alignment.pharaoh import format_links
from clism_core.data.schema import replace_column, words_as_text
from clism_core.data.spans import Link
from clism_core.data.tally import Tally
from clism_core.errors import InputError
from clism_core.model.names import resolve_model

_ITERMAX_ROUNDS = 2
_ITERMAX_DISCOUNT = 0.9
_MAX_TOKENS = 512

Matrix = npt.NDArray[np.floating[Any]]
Mask = npt.NDArray[np.bool_]


class SubWords(NamedTuple):
    """The sub-words of a sentence: their states (S, D), of length 1, and the numbers of the words they are part of."""

    states: Matrix
    words: list[int]


class EmbeddingAligner:
    """Fills in `alignment`: the state of an actor, which loads the encoder once, to the GPU that it is given."""

    def __init__(self, config: AlignerConfig, *, tally: Tally) -> None:
        self._config = config
        self._tally = tally
        self._device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        model = resolve_model(config.model)
        self._tokenizer = AutoTokenizer.from_pretrained(model, use_fast=True)
        self._encoder = AutoModel.from_pretrained(model, dtype=torch.float32).to(self._device).eval()

    def __call__(self, table: pa.Table) -> pa.Table:
        """Align the rows that have no reason yet, those of a length together."""
        live = [place for place, reason in enumerate(table["reason"].to_pylist()) if reason is None]
        rows = table.take(pa.array(live, pa.int64()))
        sources, targets = words_as_text(rows, "source"), words_as_text(rows, "target")
        alignment: list[object] = [None] * table.num_rows
        by_length = sorted(range(len(live)), key=lambda k: (len(sources[k]) + len(targets[k]), k))
        for start in range(0, len(live), self._config.batch_size):
            batch = by_length[start : start + self._config.batch_size]
            for k, links in zip(
                batch, self.align([sources[k] for k in batch], [targets[k] for k in batch]), strict=True
            ):
                alignment[live[k]] = format_links(links)
        self._tally.add("aligned", len(live))
        return replace_column(table, "alignment", alignment)

    def align(self, sources: Sequence[list[str]], targets: Sequence[list[str]]) -> list[set[Link]]:
        """Return the links of each sentence pair, given as words; words behind the encoder's length have none."""
        pairs = zip(self.embed(sources), self.embed(targets), strict=True)
        return [word_links(source, target, method=self._config.method) for source, target in pairs]

    @torch.inference_mode()
    def embed(self, sentences: Sequence[list[str]]) -> list[SubWords]:
        """Return the states of `layer` for the sub-words of each sentence, special tokens left out."""
        encoded = self._tokenizer(
            list(sentences),
            is_split_into_words=True,
            truncation=True,
            max_length=min(_MAX_TOKENS, self._tokenizer.model_max_length),
            padding=True,
            return_tensors="pt",
        )
        output = self._encoder(**encoded.to(self._device), output_hidden_states=True)
        states = torch.nn.functional.normalize(output.hidden_states[self._config.layer], dim=-1).cpu().numpy()
        found = []
        for number in range(len(sentences)):
            word_of = {place: word for place, word in enumerate(encoded.word_ids(number)) if word is not None}
            found.append(SubWords(states[number, list(word_of)], list(word_of.values())))
        return found


def check_encoder(config: AlignerConfig) -> None:
    """Raise `InputError` where there is no such encoder, or it has no such layer."""
    layers = AutoConfig.from_pretrained(resolve_model(config.model)).num_hidden_layers
    if not -layers - 1 <= config.layer <= layers:
        raise InputError(f"aligner.layer is {config.layer}, but {config.model} has layers 0 to {layers}")


def word_links(source: SubWords, target: SubWords, *, method: str) -> set[Link]:
    """Return the links between words of which any sub-words are linked."""
    if not source.words or not target.words:
        return set()
    similarity = (source.states @ target.states.T + 1) / 2
    linked_ST = mutual_argmax(similarity) if method == "argmax" else itermax(similarity)
    return {(source.words[i], target.words[j]) for i, j in np.argwhere(linked_ST)}


def mutual_argmax(similarity: Matrix) -> Mask:
    """Return where a sub-word of the source and one of the target are each other's most similar (SimAlign's Argmax).

    `similarity` is (S, T), and so is the result.
    """
    best_target_S, best_source_T = similarity.argmax(axis=1), similarity.argmax(axis=0)
    linked_ST = np.zeros(similarity.shape, dtype=np.bool_)
    sources = np.arange(len(best_target_S))
    linked_ST[sources, best_target_S] = best_source_T[best_target_S] == sources
    return linked_ST


def itermax(similarity: Matrix) -> Mask:
    """Return the mutual best ones, then those of what is left (SimAlign's Itermax).

    In a further round, pairs of which one is linked already count less, and pairs of which both are count nothing.
    `similarity` is (S, T), from 0 to 1, and so is the shape of the result.
    """
    linked_ST = mutual_argmax(similarity)
    for _ in range(_ITERMAX_ROUNDS - 1):
        source_done_S1, target_done_1T = linked_ST.any(axis=1, keepdims=True), linked_ST.any(axis=0, keepdims=True)
        either_ST, both_ST = source_done_S1 | target_done_1T, source_done_S1 & target_done_1T
        weight_ST = np.where(both_ST, 0.0, np.where(either_ST, _ITERMAX_DISCOUNT, 1.0)).astype(similarity.dtype)
        linked_ST |= mutual_argmax(similarity * weight_ST) & ~both_ST
    return linked_ST
