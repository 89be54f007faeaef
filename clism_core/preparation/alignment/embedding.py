"""Word alignment with the states of a multilingual encoder, without training: needs neither a program nor a corpus.

Masoud Jalili Sabet, Philipp Dufter, François Yvon, Hinrich Schütze: SimAlign: High quality word alignments without
parallel training data using static and contextualized embeddings (Findings of EMNLP 2020).

Shapes: S and T words of the source and target sentence, W words of all sentences of a batch, N sub-words, D the width
of a state.
"""

from collections.abc import Iterator, Sequence
from collections.abc import Set as AbstractSet
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from clism_core.model.batching import batches_by_length
from clism_core.model.encoder import inspect_plain_encoder, load_plain_encoder
from clism_core.model.precision import best_device
from clism_core.model.pretrained import load_config
from clism_core.model.resolve import resolve_model
from clism_core.preparation.alignment.aligner import Aligner
from clism_core.preparation.alignment.config import AlignerConfig, EmbeddingMethod
from clism_core.preparation.alignment.symmetrize import grow
from clism_core.preparation.spans import Link
from clism_core.utils.errors import InputError

_ITERMAX_ROUNDS = 2
_ITERMAX_DISCOUNT = 0.9
_MAX_TOKENS = 512

Matrix = npt.NDArray[np.floating[Any]]
Mask = npt.NDArray[np.bool_]


class EmbeddingAligner(Aligner):
    """Aligner that compares an encoder's states; loads the encoder once, on the GPU if there is one."""

    packages = ("numpy", "tokenizers", "torch", "transformers")
    uses_encoder = True

    @classmethod
    def check(cls, config: AlignerConfig) -> None:
        """Raise `InputError` if the encoder is not found or damaged, or its layer is out of range."""
        folder = resolve_model(config.model)
        layers = load_config(folder).num_hidden_layers
        if not -layers - 1 <= config.layer <= layers:
            raise InputError(
                f"aligner.layer {config.layer}: out of range: {config.model} has layers 0 to {layers}, or "
                f"{-layers - 1} to -1 from the last"
            )
        _, tokenizer = inspect_plain_encoder(folder, num_hidden_layers=_layers_below(config))
        if not tokenizer.is_fast:
            raise InputError(
                f"aligner.model {config.model}: its tokenizer, {type(tokenizer).__name__}, does not tell which word a "
                "sub-word belongs to; give an encoder with a tokenizer.json"
            )

    def __init__(self, config: AlignerConfig, learnt: bytes = b"") -> None:
        super().__init__(config, learnt)
        self._device = best_device()
        model = resolve_model(config.model)
        # Layers above the selected one are not loaded, to save their computation.
        encoder, self._tokenizer = load_plain_encoder(model, num_hidden_layers=_layers_below(config))
        self._max_tokens = min(_MAX_TOKENS, self._tokenizer.model_max_length)
        self._encoder = encoder.eval().to(self._device)

    def align(self, sources: Sequence[Sequence[str]], targets: Sequence[Sequence[str]]) -> list[set[Link]]:
        """Return the links of each sentence pair, given as words."""
        links: list[set[Link]] = [set() for _ in sources]
        for number, similarity in self.similarities(sources, targets):
            links[number] = word_links(similarity, method=self._config.method)
        return links

    def similarities(
        self, sources: Sequence[Sequence[str]], targets: Sequence[Sequence[str]]
    ) -> Iterator[tuple[int, Matrix]]:
        """Yield the number of each sentence pair and the similarities of its words, longest pairs first.

        Pairs without words on one side are skipped. The similarities are a matrix (S, T) of cosines, NaN for words of
        which the tokenizer makes no sub-words.
        """
        pairs = [k for k, (source, target) in enumerate(zip(sources, targets, strict=True)) if source and target]
        for places in batches_by_length([len(sources[k]) + len(targets[k]) for k in pairs], self._config.batch_size):
            batch = [pairs[place] for place in places]
            source_states = self.embed([sources[k] for k in batch])
            target_states = self.embed([targets[k] for k in batch])
            for k, source_SD, target_TD in zip(batch, source_states, target_states, strict=True):
                yield k, source_SD @ target_TD.T

    @torch.inference_mode()
    def embed(self, sentences: Sequence[Sequence[str]]) -> list[Matrix]:
        """Return the states (words, D) of each sentence, with norm 1; NaN for words without sub-words.

        The state of a word is the mean over its sub-words. A sentence longer than the encoder's maximum is encoded in
        windows that overlap by half; a word in two windows gets the mean over both.
        """
        encoded = self._tokenizer(
            [list(words) for words in sentences],
            is_split_into_words=True,
            truncation=True,
            max_length=self._max_tokens,
            stride=self._max_tokens // 2,
            return_overflowing_tokens=True,
            padding=True,
            return_tensors="pt",
        )
        window_sentences = encoded.pop("overflow_to_sample_mapping").tolist()
        first_word = np.cumsum([0, *map(len, sentences)])
        places, words = [], []
        for window, sentence in enumerate(window_sentences):
            for place, word in enumerate(encoded.word_ids(window)):
                if word is not None:
                    places.append(window * encoded["input_ids"].shape[1] + place)
                    words.append(first_word[sentence] + word)
        hidden = self._encoder(**encoded.to(self._device)).last_hidden_state.flatten(0, 1)
        word_N = torch.tensor(words, dtype=torch.long, device=self._device)
        sums_WD = hidden.new_zeros(int(first_word[-1]), hidden.shape[1])
        sums_WD.index_add_(0, word_N, hidden[torch.tensor(places, dtype=torch.long, device=self._device)])
        # Normalised, sum and mean are the same; 0 / 0 is NaN, as intended for words without sub-words.
        states_WD = (sums_WD / sums_WD.norm(dim=1, keepdim=True)).cpu().numpy()
        return np.split(states_WD, first_word[1:-1])


def _layers_below(config: AlignerConfig) -> int:
    if config.layer >= 0:
        return config.layer
    layers: int = load_config(resolve_model(config.model)).num_hidden_layers
    return layers + 1 + config.layer


def word_links(similarity: Matrix, *, method: EmbeddingMethod) -> set[Link]:
    """Extract links from similarities (S, T); words whose similarity is NaN get none.

    `argmax` and `itermax` are SimAlign's; `grow` starts with the links of `argmax` and adds those of `itermax` that are
    adjacent to a link and whose source or target word is unaligned.
    """
    if not similarity.size or np.isnan(similarity).all():
        return set()
    known_ST, unit_ST = ~np.isnan(similarity), unit_scale(similarity)
    if method == "argmax":
        return mask_to_links(mutual_argmax(unit_ST) & known_ST)
    added = mask_to_links(itermax(unit_ST) & known_ST)
    if method == "itermax":
        return added
    return grow(mask_to_links(mutual_argmax(unit_ST) & known_ST), sorted_by_score(added, unit_ST))


def unit_scale(similarity: Matrix) -> Matrix:
    """Map cosines to the range 0 to 1, and NaN to 0."""
    return np.nan_to_num((similarity + 1) / 2, nan=0.0)


def mask_to_links(linked_ST: Mask) -> set[Link]:
    """Return the links at which `linked_ST` is true."""
    return {(int(i), int(j)) for i, j in np.argwhere(linked_ST)}


def links_to_mask(links: AbstractSet[Link], shape: tuple[int, ...]) -> Mask:
    """Return an array of `shape` (S, T) that is true at `links`."""
    linked_ST = np.zeros(shape, dtype=np.bool_)
    for link in links:
        linked_ST[link] = True
    return linked_ST


def sorted_by_score(links: set[Link], score: Matrix) -> list[Link]:
    """Return `links` by descending `score` (S, T), ties in word order."""
    return sorted(links, key=lambda link: (-score[link], link))


def mutual_argmax(similarity: Matrix) -> Mask:
    """Return a mask (S, T) of the word pairs that are each other's most similar (SimAlign's Argmax).

    `similarity` is (S, T).
    """
    best_target_S, best_source_T = similarity.argmax(axis=1), similarity.argmax(axis=0)
    linked_ST = np.zeros(similarity.shape, dtype=np.bool_)
    sources = np.arange(len(best_target_S))
    linked_ST[sources, best_target_S] = best_source_T[best_target_S] == sources
    return linked_ST


def itermax(similarity: Matrix) -> Mask:
    """Return a mask (S, T) of mutual argmaxes, repeated on the remaining words (SimAlign's Itermax).

    In later rounds, similarities are discounted if one of the words is linked already, and 0 if both are.
    `similarity` is (S, T), from 0 to 1.
    """
    linked_ST = mutual_argmax(similarity)
    for _ in range(_ITERMAX_ROUNDS - 1):
        source_linked_S1, target_linked_1T = linked_ST.any(axis=1, keepdims=True), linked_ST.any(axis=0, keepdims=True)
        either_ST, both_ST = source_linked_S1 | target_linked_1T, source_linked_S1 & target_linked_1T
        weight_ST = np.where(both_ST, 0.0, np.where(either_ST, _ITERMAX_DISCOUNT, 1.0)).astype(similarity.dtype)
        linked_ST |= mutual_argmax(similarity * weight_ST) & ~both_ST
    return linked_ST
