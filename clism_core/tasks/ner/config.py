"""Options of named entity recognition, kept with its models so that prediction makes inputs as training did."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Annotated, ClassVar

from annotated_types import Ge

CONLL_TYPES = ("PER", "LOC", "ORG", "MISC")
"""The types of entity in CoNLL-2002 and 2003; WikiAnn has the first three."""


@dataclass
class NerConfig:
    """Named entity recognition (xNER)."""

    task: ClassVar[str] = "ner"

    use_que: bool = True
    """Append [QUE] to the sentence."""
    max_length: Annotated[int, Ge(8)] = 128
    """Tokens of an input at most, template tokens included. Longer sentences are cut into overlapping windows."""
    stride: Annotated[int, Ge(0)] = 32
    """Tokens that neighbouring windows share."""
    types: list[str] = field(default_factory=lambda: list(CONLL_TYPES))
    """The types of entity."""


def ner_problems(config: NerConfig) -> Iterator[str]:
    """Yield what is wrong with `config`, one sentence each."""
    problems = {
        f"--ner.stride {config.stride}: must be below --ner.max_length ({config.max_length})": (
            config.stride >= config.max_length
        ),
        "--ner.types: names no type of entity": not config.types,
        "--ner.types: a name is empty or has white space in it": any(
            not name or any(map(str.isspace, name)) for name in config.types
        ),
        "--ner.types: names a type twice": len(set(config.types)) < len(config.types),
    }
    yield from (problem for problem, is_so in problems.items() if is_so)
