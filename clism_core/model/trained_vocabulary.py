"""The part of the vocabulary that is trained: a model has only the embeddings of these tokens while it is trained."""

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from clism_core.model.tokenizer import find_special_ids, find_template
from clism_core.utils.errors import InputError
from clism_core.utils.text import listed

_SHOWN = 3


def template_tokens(tokenizer: PreTrainedTokenizerBase, encoder: PreTrainedModel) -> set[int]:
    """Return the ids of the tokens that inputs have besides those of their texts: special ones and padding."""
    embedding = encoder.get_input_embeddings()
    assert isinstance(embedding, nn.Embedding)
    templates = [find_template(tokenizer, pair=pair) for pair in (False, True)]
    special = {*find_special_ids(tokenizer), *(token for each in templates for part in each.parts for token in part)}
    if embedding.padding_idx is not None:
        special.add(embedding.padding_idx)
    return special


class TrainedVocabulary(nn.Module):
    """Rows of the trained tokens in a model's embeddings; of all V tokens, until it is restricted to K of them.

    Token ids are those of the tokenizer everywhere but in embeddings and logits, where they are mapped by this module.
    """

    ids: Tensor | None
    """Ids [K] of the trained tokens in the order of their rows; None for all."""
    _rows: Tensor | None

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("ids", None, persistent=False)
        self.register_buffer("_rows", None, persistent=False)

    def restrict(self, ids: Tensor, *, size: int) -> None:
        """Restrict the vocabulary to some of its tokens.

        Args:
            ids: ids [K] of the tokens in the order of their rows.
            size: number V of all tokens.
        """
        assert self.ids is None, "restricted before"
        self.ids = ids
        self._rows = torch.full((size,), -1, dtype=torch.long, device=ids.device)
        self._rows[ids] = torch.arange(len(ids), device=ids.device)

    def forward(self, ids: Tensor) -> Tensor:
        """Return the rows of tokens, of any shape.

        Raises:
            InputError: if tokens are not trained, so that they have no row.
        """
        if self._rows is None:
            return ids
        rows = self._rows[ids]
        if bool((rows < 0).any()):
            missing = ids[rows < 0].unique().tolist()
            raise InputError(
                f"{len(missing)} tokens, such as {listed(map(str, missing[:_SHOWN]))}, are not in the part of the "
                "vocabulary that is trained: they occur neither in the training data nor in the data for evaluation; "
                "give --trained_vocabulary full"
            )
        return rows
