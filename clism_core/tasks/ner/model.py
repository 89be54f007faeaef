"""Model for NER: an encoder, and a tagger over the states of first sub-words."""

from functools import cached_property

from torch import Tensor
from transformers import MODEL_FOR_TOKEN_CLASSIFICATION_MAPPING, PreTrainedModel

from clism_core.tasks.ner.batches import TagBatch
from clism_core.tasks.ner.config import NerConfig
from clism_core.tasks.ner.labels import Labels
from clism_core.tasks.ner.objective import Tagging
from clism_core.tasks.ner.tagger import Tagger
from clism_core.tasks.plain_model import plain_model
from clism_core.tasks.task_model import TaskModel


class NerModel(TaskModel[TagBatch, NerConfig]):
    """Encoder and tagger."""

    config_class = NerConfig
    objective_class = Tagging
    head: Tagger
    head_file = "tagger.safetensors"

    @cached_property
    def labels(self) -> Labels:
        """Labels of the tagger."""
        return Labels(self.config.types)

    def build_head(self) -> Tagger:
        """Return a tagger with the dropout rate of the encoder's layers."""
        return Tagger(self.hidden_size, len(self.labels), dropout=_hidden_dropout(self.encoder))

    def build_objective(self) -> Tagging:
        """Return the objective that predicts the labels of words."""
        return Tagging(self.head)

    def plain(self) -> PreTrainedModel:
        """Return a token classifier of transformers with the encoder and the tagger, if it has one like that."""
        classes = MODEL_FOR_TOKEN_CLASSIFICATION_MAPPING
        return plain_model(classes, self.encoder, self.head.linear, self.labels.names) or self.encoder

    def logits(self, batch: TagBatch) -> Tensor:
        """Return the logits [B, L, labels] of all tokens, in fp32."""
        logits: Tensor = self.head(self.states(batch).h_BLD)
        return logits


def _hidden_dropout(encoder: PreTrainedModel) -> float:
    """Return the dropout rate, called `hidden_dropout_prob` in BERT-like models, `dropout` in XLM and DistilBERT."""
    rates = (getattr(encoder.config, name, None) for name in ("hidden_dropout_prob", "dropout"))
    return next((float(rate) for rate in rates if rate is not None), 0.0)
