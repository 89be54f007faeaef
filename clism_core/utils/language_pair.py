"""Pairs of a source and a target language."""

from collections.abc import Mapping
from typing import Any, NamedTuple, Self


class LanguagePair(NamedTuple):
    """A language pair, written `SOURCE-TARGET`, such as `en-ar`."""

    source: str
    target: str

    @classmethod
    def of(cls, row: Mapping[str, Any]) -> Self:
        """Return the pair of a row with the columns `source_lang` and `target_lang`."""
        return cls(row["source_lang"], row["target_lang"])

    def __str__(self) -> str:
        return f"{self.source}-{self.target}"
