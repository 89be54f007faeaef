"""Options of question answering, saved with its models so that prediction encodes inputs as training did."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

from annotated_types import Ge

TEMPLATE_TOKENS = 4
"""Number of template tokens of a pair in the longest supported format: `<s> question </s></s> passage </s>`."""


@dataclass
class MrcConfig:
    """Extractive question answering (xMRC)."""

    task: ClassVar[str] = "mrc"

    use_que: bool = True
    """Append [QUE] to the question and predict the answer from its state with the pre-trained span head. False:
    standard fine-tuning, with a linear layer that scores each token as the first and the last of the answer."""
    max_length: int = 384
    """Maximum number of tokens in an input, template tokens included. Longer passages are split into overlapping
    windows."""
    stride: Annotated[int, Ge(0)] = 128
    """Number of passage tokens by which neighbouring windows overlap."""
    max_question_length: Annotated[int, Ge(1)] = 64
    """Maximum number of tokens in a question; longer questions are truncated and counted."""
    max_answer_length: Annotated[int, Ge(1)] = 30
    """Maximum number of tokens in a predicted answer."""
    softmax: Literal["passage", "input"] = "passage"
    """Tokens in the softmax of the training loss: those of the passage, or the whole input, as in pre-training.
    Predicted answers are always in the passage."""


def mrc_problems(config: MrcConfig, *, template_tokens: int = TEMPLATE_TOKENS) -> Iterator[str]:
    """Yield the conflict of the lengths, if any: windows of a passage must advance by at least one token."""
    reserved = config.max_question_length + int(config.use_que) + template_tokens
    if config.max_length - reserved <= config.stride:
        yield (
            f"--mrc.max_length {config.max_length}: a question of max_question_length and the template take {reserved} "
            f"tokens, which leaves no more than stride ({config.stride}) for the passage; give at least "
            f"{reserved + config.stride + 1}, or lower --mrc.stride or --mrc.max_question_length"
        )
