"""What the tasks can be told of inputs and outputs; it is kept with a task model, for prediction to do the same."""

from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from clism_core.tasks.ner.conll_format import CONLL_TYPES

TaskName: TypeAlias = Literal["mrc", "ner"]


@dataclass
class MrcConfig:
    """Extractive question answering (xMRC)."""

    use_que: bool = True
    """Put [QUE] after the question, and point from its state with the span head of pre-training. False: standard
    fine-tuning, with a linear layer that scores each token as first and as last one of the answer."""
    max_length: int = 384
    """Tokens of an input at most, template tokens included. Longer passages are cut into overlapping windows."""
    stride: int = 128
    """Tokens of the passage that neighbouring windows share."""
    max_question_length: int = 64
    """Tokens of a question at most; what is longer is cut, and counted."""
    max_answer_length: int = 30
    """Tokens of a predicted answer at most."""
    softmax: Literal["passage", "input"] = "passage"
    """Which tokens may begin and end an answer in training: those of the passage, or all of the input, as in
    pre-training. Predicted answers are always of the passage."""


@dataclass
class NerConfig:
    """Named entity recognition (xNER)."""

    use_que: bool = True
    """Append [QUE] to the sentence."""
    max_length: int = 128
    """Tokens of an input at most, template tokens included. Longer sentences are cut into overlapping windows."""
    stride: int = 32
    """Tokens that neighbouring windows share."""
    types: list[str] = field(default_factory=lambda: list(CONLL_TYPES))
    """The types of entity."""


TaskConfig: TypeAlias = MrcConfig | NerConfig
