"""Model for question answering: an encoder and a span head."""

import torch
from torch import Tensor, nn
from transformers import MODEL_FOR_QUESTION_ANSWERING_MAPPING, PreTrainedModel

from clism_core.model.encoder import encode
from clism_core.model.precision import at_least_fp32
from clism_core.model.span_head import SPAN_HEAD_FILE, SpanHead, SpanLogits
from clism_core.tasks.mrc.batches import QuestionBatch
from clism_core.tasks.mrc.config import MrcConfig
from clism_core.tasks.mrc.objective import SpanExtraction, within_passage
from clism_core.tasks.plain_model import plain_model
from clism_core.tasks.task_model import TaskModel

LINEAR_SPAN_HEAD_FILE = "linear_span_head.safetensors"
_INITIAL_STD = 0.02


class LinearSpanHead(nn.Module):
    """Head of standard fine-tuning: a linear layer scores each token independently, without `[QUE]`."""

    def __init__(self, hidden_size: int):
        super().__init__()
        self.scores = nn.Linear(hidden_size, 2)
        nn.init.normal_(self.scores.weight, std=_INITIAL_STD)
        nn.init.zeros_(self.scores.bias)

    def forward(self, h_BLD: Tensor, question_position_BK: Tensor, attention_mask_BL: Tensor) -> SpanLogits:  # noqa: ARG002
        """Score every token of X as the first and the last token of the answer, with the interface of `SpanHead`."""
        with torch.autocast(h_BLD.device.type, enabled=False):
            logits_BL2 = self.scores(at_least_fp32(h_BLD))
        logits_BL2 = logits_BL2.masked_fill((attention_mask_BL == 0).unsqueeze(-1), float("-inf"))
        start_BL, end_BL = logits_BL2.unbind(-1)
        return SpanLogits(start_BL.unsqueeze(1), end_BL.unsqueeze(1))


class MrcModel(TaskModel[QuestionBatch, MrcConfig]):
    """Encoder and span head."""

    config_class = MrcConfig
    objective_class = SpanExtraction
    pretrained_head = True

    def build_head(self) -> nn.Module:
        """Return the head that reads the state of `[QUE]`, or the head of standard fine-tuning."""
        return (SpanHead if self.config.use_que else LinearSpanHead)(self.hidden_size)

    def build_objective(self) -> SpanExtraction:
        """Return the objective that predicts both ends of the answer."""
        return SpanExtraction(self.head, softmax=self.config.softmax)

    @property
    def head_file(self) -> str:
        """File name of the span head: that of pre-training if the head reads the state of `[QUE]`."""
        return SPAN_HEAD_FILE if self.config.use_que else LINEAR_SPAN_HEAD_FILE

    def plain(self) -> PreTrainedModel:
        """Return a question-answering model of transformers with the encoder and the head, if it has one like that.

        It has none that reads the state of `[QUE]`.
        """
        if not isinstance(self.head, LinearSpanHead):
            return self.encoder
        classes = MODEL_FOR_QUESTION_ANSWERING_MAPPING
        return plain_model(classes, self.encoder, self.head.scores, ("start", "end")) or self.encoder

    def logits(self, batch: QuestionBatch) -> SpanLogits:
        """Return the logits [B, 1, L] of the answer's first and last token, in fp32; -inf outside the passage."""
        h_BLD = encode(self.encoder, batch.input_ids, batch.attention_mask, batch.token_type_ids)
        return within_passage(self.head(h_BLD, batch.question_position, batch.attention_mask), batch)
