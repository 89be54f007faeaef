"""The model that is pre-trained: one encoder, its two heads, and the objectives over them."""

from pathlib import Path

import torch
from torch import Tensor

from clism_core.model.encoder import LoadedEncoder, embedding_weight, encode
from clism_core.model.objective import States
from clism_core.model.span_head import SPAN_HEAD_FILE, SpanHead
from clism_core.model.trainable import TrainedModel, load_head, save_weights
from clism_core.pretraining.batches import Batch

MLM_HEAD_FILE = "mlm_head.safetensors"


class PretrainingModel(TrainedModel[Batch]):
    """Encoder, span head and MLM head."""

    def __init__(self, loaded: LoadedEncoder, *, seed: int):
        super().__init__(loaded.encoder, loaded.tokenizer)
        self.mlm_head = loaded.mlm_head
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.span_head = SpanHead(self.hidden_size)
        # Where the encoder is one of ours, its heads lie beside it.
        load_head(self.span_head, loaded.folder, SPAN_HEAD_FILE)
        load_head(self.mlm_head, loaded.folder, MLM_HEAD_FILE, saved=self._own_mlm_weights())

    def states(self, batch: Batch, *, plain: bool) -> States:
        """Encode X, and then the plain source if it is wanted: always in this order, for dropout."""
        states = super().states(batch, plain=plain)
        if plain:
            inputs = (batch.plain_ids, batch.plain_attention_mask, batch.plain_token_type_ids)
            states.plain_BSD = encode(self.encoder, *inputs)
        return states

    def save_heads(self, folder: Path) -> None:
        """Write the span head, and the MLM head without the tied embeddings."""
        save_weights(self.span_head.state_dict(), folder / SPAN_HEAD_FILE)
        save_weights(self._own_mlm_weights(), folder / MLM_HEAD_FILE)

    def _own_mlm_weights(self) -> dict[str, Tensor]:
        """Return the MLM head's weights without the tied embeddings, each once."""
        seen = {embedding_weight(self.encoder).data_ptr()}
        own = {}
        for name, weight in self.mlm_head.state_dict().items():
            if weight.data_ptr() not in seen:
                seen.add(weight.data_ptr())
                own[name] = weight
        return own
