"""The pre-training model: one encoder, its two heads, and the objectives over them."""

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from pathlib import Path

import torch
from torch import Tensor, nn

from clism_core.model.encoder import LoadedEncoder, embedding_weight, encode
from clism_core.model.objective import AnyObjective, States
from clism_core.model.span_head import SPAN_HEAD_FILE, SpanHead
from clism_core.model.trainable import TrainedModel, load_head, save_weights
from clism_core.pretraining.batches import PLAIN_SOURCE, Batch

MLM_HEAD_FILE = "mlm_head.safetensors"


class PretrainingModel(TrainedModel[Batch]):
    """Encoder, span head and MLM head; an objective may add its own weights.

    Args:
        loaded: the encoder. If this project has pre-trained it, its heads are loaded.
        seed: seed of new heads.
        is_checkpoint: whether the weights of all objectives must have been saved with the encoder.

    Raises:
        InputError: if a head that was trained with the encoder is missing or damaged.
    """

    def __init__(self, loaded: LoadedEncoder, *, seed: int, is_checkpoint: bool = False):
        super().__init__(loaded.encoder, loaded.tokenizer)
        self.seed = seed
        self._folder = loaded.folder
        self._is_checkpoint = is_checkpoint
        self.mlm_head = loaded.mlm_head
        self._projection = [loaded.output_projection]  # in a list, because it is a part of the MLM head
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.span_head = SpanHead(self.hidden_size)
        own = self._own_mlm_weights()
        load_head(self.span_head, loaded.folder, SPAN_HEAD_FILE, required=loaded.has_que)
        load_head(self.mlm_head, loaded.folder, MLM_HEAD_FILE, saved=own, required=loaded.has_que)

    def use(self, objectives: Mapping[str, AnyObjective]) -> None:
        """Set the objectives to train with; their own weights are loaded if they are in the folder of the encoder."""
        super().use(objectives)
        for name, objective in objectives.items():
            if own := self._own_weights(objective):
                load_head(objective, self._folder, _objective_file(name), saved=own, required=self._is_checkpoint)

    def token_parameters(self) -> list[nn.Parameter]:
        """Return the word embeddings, and the projection and biases of the MLM head, each once."""
        size = len(embedding_weight(self.encoder))
        (projection,) = self._projection
        parameters = [embedding_weight(self.encoder), *([] if projection is None else projection.parameters())]
        for module in self.mlm_head.modules():  # BERT and RoBERTa: a bias of the head that its projection shares
            if any(module.children()):
                parameters += [each for each in module.parameters(recurse=False) if each.shape == (size,)]
        return list({id(parameter): parameter for parameter in parameters}.values())

    def vocabulary_problem(self) -> str:
        """Return why the vocabulary cannot be restricted; empty if it can."""
        if problem := super().vocabulary_problem():
            return problem
        size, (projection,) = len(embedding_weight(self.encoder)), self._projection
        restricted = {id(parameter) for parameter in self.token_parameters()}
        others = [parameter for parameter in self.mlm_head.parameters() if id(parameter) not in restricted]
        is_linear = isinstance(projection, nn.Linear) and len(projection.weight) == size
        if not is_linear or any(size in parameter.shape for parameter in others):
            return "its MLM head is no linear projection to the tokens"
        return ""

    def states(self, batch: Batch, needs: AbstractSet[str] = frozenset()) -> States:
        """Encode X, then the plain source if it is needed, in this order because dropout depends on it."""
        states = super().states(batch, needs)
        if PLAIN_SOURCE in needs:
            inputs = (batch.plain_ids, batch.plain_attention_mask, batch.plain_token_type_ids)
            states.others = {PLAIN_SOURCE: encode(self.encoder, *inputs)}
        return states

    def save_heads(self, folder: Path) -> None:
        """Write the span head, the MLM head without the tied embeddings, and the objectives' own weights."""
        save_weights(self.span_head.state_dict(), folder / SPAN_HEAD_FILE)
        save_weights(self._own_mlm_weights(), folder / MLM_HEAD_FILE)
        for name, objective in self.objectives.items():
            if own := self._own_weights(objective):
                save_weights(own, folder / _objective_file(name))

    def _own_weights(self, objective: nn.Module) -> dict[str, Tensor]:
        """Return the parameters of an objective that do not belong to the encoder or the heads."""
        shared = {*self.encoder.parameters(), *self.span_head.parameters(), *self.mlm_head.parameters()}
        return {name: parameter for name, parameter in objective.named_parameters() if parameter not in shared}

    def _own_mlm_weights(self) -> dict[str, Tensor]:
        """Return the MLM head's weights without the tied embeddings, each tensor once."""
        tied = embedding_weight(self.encoder)
        return {name: weight for name, weight in self.mlm_head.named_parameters() if weight is not tied}


def _objective_file(name: str) -> str:
    return f"{name}_objective.safetensors"
