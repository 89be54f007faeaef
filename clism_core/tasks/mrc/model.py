"""The model of question answering: an encoder and a span head."""

from pathlib import Path
from typing import Literal, Self

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from clism_core.model.encoder import encode, load_encoder
from clism_core.model.precision import at_least_fp32
from clism_core.model.span_head import SPAN_HEAD_FILE, SpanHead, SpanLogits
from clism_core.model.trainable import TrainedModel, load_head, save_weights
from clism_core.tasks.mrc.batches import QuestionBatch
from clism_core.tasks.mrc.objective import SpanExtraction, within_passage
from clism_core.tasks.saved_task import read_task, write_task
from clism_core.tasks.task import MrcConfig
from clism_core.utils.errors import InputError

LINEAR_SPAN_HEAD_FILE = "linear_span_head.safetensors"
_INITIAL_STD = 0.02


class LinearSpanHead(nn.Module):
    """The head of standard fine-tuning: a linear layer scores each token by itself, no `[QUE]` is asked."""

    def __init__(self, hidden_size: int):
        super().__init__()
        self.scores = nn.Linear(hidden_size, 2)
        nn.init.normal_(self.scores.weight, std=_INITIAL_STD)
        nn.init.zeros_(self.scores.bias)

    def forward(self, h_BLD: Tensor, question_position_BK: Tensor, attention_mask_BL: Tensor) -> SpanLogits:  # noqa: ARG002
        """Score every token of X as first and as last token of the answer, as `SpanHead` does."""
        with torch.autocast(h_BLD.device.type, enabled=False):
            logits_BL2 = self.scores(at_least_fp32(h_BLD))
        logits_BL2 = logits_BL2.masked_fill((attention_mask_BL == 0).unsqueeze(-1), float("-inf"))
        start_BL, end_BL = logits_BL2.unbind(-1)
        return SpanLogits(start_BL.unsqueeze(1), end_BL.unsqueeze(1))


class MrcModel(TrainedModel[QuestionBatch]):
    """Encoder and span head, with the objective that trains them; made by `begin` or `load`.

    Args:
        encoder: with an embedding of `[QUE]`.
        tokenizer: with `[QUE]`.
        config: how inputs and answers are made; it is kept with the model.
        seed: of the head, which is new.
    """

    def __init__(self, encoder: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, config: MrcConfig, *, seed: int):
        super().__init__(encoder, tokenizer)
        self.config = config
        self.head_origin: Literal["pre-trained", "new"] = "new"
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            kind = SpanHead if config.use_que else LinearSpanHead
            self.span_head = kind(self.hidden_size)
        self.use({SpanExtraction.name: SpanExtraction(self.span_head, softmax=config.softmax)})

    @classmethod
    def begin(cls, name: str, config: MrcConfig, *, seed: int, reinit_head: bool = False) -> Self:
        """Return a model to be fine-tuned.

        Its head is the one that lies beside the encoder, unless there is none or `reinit_head` is set: `head_origin`
        says which it became.

        Args:
            name: any encoder: a hub id, a folder, or a name of the MLflow registry.
            config: how inputs and answers are made.
            seed: of whatever the encoder's checkpoint does not hold.
            reinit_head: begin with a new head even where there is a pre-trained one.

        Raises:
            InputError: if there is no such model, or a head of another encoder lies beside it.
        """
        loaded = load_encoder(name, seed=seed)
        model = cls(loaded.encoder, loaded.tokenizer, config, seed=seed)
        if not reinit_head and load_head(model.span_head, loaded.folder, model._head_file):
            model.head_origin = "pre-trained"
        return model

    @classmethod
    def load(cls, folder: str) -> Self:
        """Return the model that `save` has written into a local folder, in evaluation mode.

        Raises:
            InputError: if it is not one of this task, or its head is missing.
        """
        config = read_task(folder)
        if not isinstance(config, MrcConfig):
            raise InputError(f"{folder}: a model of another task; give one that was fine-tuned with --task mrc")
        model = cls.begin(folder, config, seed=0)
        if model.head_origin == "new":
            raise InputError(f"{folder}: {model._head_file} is missing; copy the model's folder as a whole")
        return model.eval()

    @property
    def _head_file(self) -> str:
        return SPAN_HEAD_FILE if self.config.use_que else LINEAR_SPAN_HEAD_FILE

    def logits(self, batch: QuestionBatch) -> SpanLogits:
        """Return the logits [B, 1, L] of the answer's first and last token, in fp32; -inf outside the passage."""
        h_BLD = encode(self.encoder, batch.input_ids, batch.attention_mask, batch.token_type_ids)
        return within_passage(self.span_head(h_BLD, batch.question_position, batch.attention_mask), batch)

    def save_heads(self, folder: Path) -> None:
        """Write the head and `task.json`."""
        save_weights(self.span_head.state_dict(), folder / self._head_file)
        write_task(folder, self.config)
