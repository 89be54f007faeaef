"""Sentence vectors as CACR's of the plain source: the mean state of a single sentence's own tokens."""

from collections.abc import Sequence

from torch import Tensor
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from clism_core.model.encoder import encode, mean_pool
from clism_core.model.precision import Precision
from clism_core.model.tokenizer import find_template, special_id
from clism_core.pretraining.batches import pad_sentences


class SentenceVectors:
    """Embedding of sentences, given as token ids without template tokens.

    Args:
        encoder: any Hugging Face encoder.
        tokenizer: tokenizer of the encoder.
        max_length: maximum number of tokens of a sentence pair in pre-training; a sentence is truncated to half of what
            remains after the template tokens.
        precision: precision and device of forward passes.
    """

    def __init__(
        self,
        encoder: PreTrainedModel,
        tokenizer: PreTrainedTokenizerBase,
        *,
        max_length: int,
        precision: Precision,
    ) -> None:
        pair_template = find_template(tokenizer, pair=True)
        self._first, self._last = find_template(tokenizer, pair=False).parts
        self._has_types = pair_template.type_ids is not None
        self.side_length = (max_length - pair_template.size) // 2
        """Maximum number of tokens of a sentence."""
        self._pad_id = special_id(tokenizer, "pad")
        self._encoder = encoder
        self._precision = precision

    def __call__(self, texts: Sequence[Sequence[int]]) -> Tensor:
        """Return the vectors [N, D], at least in fp32; the caller disables gradients if it does not need them."""
        device = self._precision.device
        truncated = [text[: self.side_length] for text in texts]
        ids, attention_mask, text_mask = pad_sentences(
            truncated, first=self._first, last=self._last, pad_id=self._pad_id
        )
        types = ids.new_zeros(ids.shape, device=device) if self._has_types else None
        with self._precision.autocast():
            h_BLD = encode(self._encoder, ids.to(device), attention_mask.to(device), types)
        return mean_pool(h_BLD, text_mask.to(device))
