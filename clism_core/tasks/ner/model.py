"""The model of NER: an encoder, and a tagger over the states of first sub-words."""

from functools import cached_property

from torch import Tensor
from transformers import PreTrainedModel

from clism_core.tasks.ner.batches import TagBatch
from clism_core.tasks.ner.config import NerConfig
from clism_core.tasks.ner.labels import Labels
from clism_core.tasks.ner.objective import Tagging
from clism_core.tasks.ner.tagger import Tagger
from clism_core.tasks.task_model import TaskModel


class NerModel(TaskModel[TagBatch, NerConfig]):
    """Encoder and tagger."""

    config_class = NerConfig
    objective_class = Tagging
    head: Tagger
    head_file = "tagger.safetensors"

    @cached_property
    def labels(self) -> Labels:
        """The labels of the tagger."""
        return Labels(self.config.types)

    def build_head(self) -> Tagger:
        """Return a tagger with as much dropout as the encoder's layers have."""
        return Tagger(self.hidden_size, len(self.labels), dropout=_hidden_dropout(self.encoder))

    def build_objective(self) -> Tagging:
        """Return the objective of the words' labels."""
        return Tagging(self.head)

    def logits(self, batch: TagBatch) -> Tensor:
        """Return the logits [B, L, labels] of all tokens, in fp32."""
        logits: Tensor = self.head(self.states(batch).h_BLD)
        return logits


def _hidden_dropout(encoder: PreTrainedModel) -> float:
    """Return the rate that BERT and its like call `hidden_dropout_prob`, and XLM and DistilBERT `dropout`."""
    named = (getattr(encoder.config, name, None) for name in ("hidden_dropout_prob", "dropout"))
    return next((float(rate) for rate in named if rate is not None), 0.0)
