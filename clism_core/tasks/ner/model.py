"""The model of NER: an encoder, and a tagger over the states of first sub-words."""

from pathlib import Path

import torch
from torch import Tensor
from transformers import PreTrainedModel

from clism_core.model.encoder import LoadedEncoder, load_encoder
from clism_core.model.trainable import TrainedModel, load_head, save_weights
from clism_core.tasks.ner.batches import TagBatch
from clism_core.tasks.ner.labels import Labels
from clism_core.tasks.ner.tagger import Tagger
from clism_core.tasks.saved_task import read_task, task_of, write_task
from clism_core.tasks.task import NerConfig
from clism_core.utils.errors import InputError

TAGGER_FILE = "tagger.safetensors"


class NerModel(TrainedModel[TagBatch]):
    """Encoder and tagger; `config` says how its inputs are made and what its labels are."""

    def __init__(self, loaded: LoadedEncoder, config: NerConfig, *, seed: int):
        super().__init__(loaded.encoder, loaded.tokenizer)
        self.config = config
        self.labels = Labels(config.types)
        dropout = _hidden_dropout(loaded.encoder)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.tagger = Tagger(self.hidden_size, len(self.labels), dropout=dropout)

    @classmethod
    def begin(cls, name: str, config: NerConfig, *, seed: int) -> "NerModel":
        """Return a model with a new tagger, on the CPU.

        Args:
            name: the encoder: a hub id, a folder, or a name of the MLflow registry.
            config: inputs and labels.
            seed: of the tagger's weights.

        Raises:
            InputError: if there is no such encoder.
        """
        return cls(load_encoder(name, seed=seed), config, seed=seed)

    @classmethod
    def load(cls, folder: str | Path) -> "NerModel":
        """Return the model that `save` has written into a local folder, on the CPU, in evaluation mode.

        Raises:
            InputError: if the folder holds no model of NER.
        """
        config = read_task(str(folder))
        if not isinstance(config, NerConfig):
            raise InputError(f"{folder}: its model is of the task {task_of(config)}, not ner; give one of ner")
        model = cls(load_encoder(str(folder), seed=0), config, seed=0)
        if not load_head(model.tagger, str(folder), TAGGER_FILE):
            raise InputError(f"{folder}: {TAGGER_FILE} is missing; copy the model's folder as a whole")
        return model.eval()

    def logits(self, batch: TagBatch) -> Tensor:
        """Return the logits [B, L, labels] of all tokens, in fp32."""
        logits: Tensor = self.tagger(self.states(batch).h_BLD)
        return logits

    def save_heads(self, folder: Path) -> None:
        """Write the tagger, and the note which task the model is for."""
        save_weights(self.tagger.state_dict(), folder / TAGGER_FILE)
        write_task(folder, self.config)


def _hidden_dropout(encoder: PreTrainedModel) -> float:
    """Return the rate that BERT and its like call `hidden_dropout_prob`, and XLM and DistilBERT `dropout`."""
    named = (getattr(encoder.config, name, None) for name in ("hidden_dropout_prob", "dropout"))
    return next((float(rate) for rate in named if rate is not None), 0.0)
