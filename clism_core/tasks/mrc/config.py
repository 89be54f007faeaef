"""Options of question answering, kept with its models so that prediction makes inputs as training did."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

from annotated_types import Ge

TEMPLATE_TOKENS = 4
"""Template tokens of a pair in the longest format in use: `<s> question </s></s> passage </s>`."""


@dataclass
class MrcConfig:
    """Extractive question answering (xMRC)."""

    task: ClassVar[str] = "mrc"

    use_que: bool = True
    """Put [QUE] after the question, and point from its state with the span head of pre-training. False: standard
    fine-tuning, with a linear layer that scores each token as first and as last one of the answer."""
    max_length: int = 384
    """Tokens of an input at most, template tokens included. Longer passages are cut into overlapping windows."""
    stride: Annotated[int, Ge(0)] = 128
    """Tokens of the passage that neighbouring windows share."""
    max_question_length: Annotated[int, Ge(1)] = 64
    """Tokens of a question at most; what is longer is cut, and counted."""
    max_answer_length: Annotated[int, Ge(1)] = 30
    """Tokens of a predicted answer at most."""
    softmax: Literal["passage", "input"] = "passage"
    """Which tokens may begin and end an answer in training: those of the passage, or all of the input, as in
    pre-training. Predicted answers are always of the passage."""


def mrc_problems(config: MrcConfig, *, template_tokens: int = TEMPLATE_TOKENS) -> Iterator[str]:
    """Yield the conflict of the lengths, if any: windows of a passage have to advance by a token at least."""
    taken = config.max_question_length + int(config.use_que) + template_tokens
    if config.max_length - taken <= config.stride:
        yield (
            f"--mrc.max_length {config.max_length}: beside a question of max_question_length ({taken} tokens with "
            f"those around it) no more than stride ({config.stride}) is left for the passage; give "
            f"{taken + config.stride + 1} at least, or lower --mrc.stride or --mrc.max_question_length"
        )
