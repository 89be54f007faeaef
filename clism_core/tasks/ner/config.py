"""Options of named entity recognition, saved with its models so that prediction encodes inputs as training did."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Annotated, ClassVar

from annotated_types import Ge

CONLL_TYPES = ("PER", "LOC", "ORG", "MISC")
"""Entity types of CoNLL-2002 and 2003; WikiAnn has the first three."""


@dataclass
class NerConfig:
    """Named entity recognition (xNER)."""

    task: ClassVar[str] = "ner"

    use_que: bool = True
    """Append [QUE] to the sentence."""
    max_length: Annotated[int, Ge(8)] = 128
    """Maximum number of tokens in an input, template tokens included. Longer sentences are split into overlapping
    windows."""
    stride: Annotated[int, Ge(0)] = 32
    """Number of tokens by which neighbouring windows overlap."""
    types: list[str] = field(default_factory=lambda: list(CONLL_TYPES))
    """Entity types."""


def ner_problems(config: NerConfig) -> Iterator[str]:
    """Yield the problems of `config`, one message each."""
    problems = {
        f"--ner.stride {config.stride}: must be below --ner.max_length ({config.max_length})": (
            config.stride >= config.max_length
        ),
        "--ner.types: empty; give at least one entity type": not config.types,
        "--ner.types: a type is empty or contains white space": any(
            not name or any(map(str.isspace, name)) for name in config.types
        ),
        "--ner.types: contains a duplicate type": len(set(config.types)) < len(config.types),
    }
    yield from (problem for problem, violated in problems.items() if violated)
