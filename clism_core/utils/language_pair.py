"""Pairs of a source and a target language."""

import re
from collections.abc import Mapping
from typing import Any, NamedTuple, Self

# Matches the hyphen before the target: language codes are in lower case (`zh`), scripts and regions are not (`Hant`,
# `TW`).
_BEFORE_TARGET = re.compile(r"-(?=[a-z]{2,3}(?![^-_]))|-(?!.*-[a-z]{2,3}(?![^-_]))")


class LanguagePair(NamedTuple):
    """A language pair, written `SOURCE-TARGET`, such as `en-ar`."""

    source: str
    target: str

    @classmethod
    def of(cls, row: Mapping[str, Any]) -> Self:
        """Return the pair of a row with the columns `source_lang` and `target_lang`."""
        return cls(row["source_lang"], row["target_lang"])

    @classmethod
    def parse(cls, text: str) -> Self:
        """Parse a language pair; languages may contain hyphens, such as `zh-TW` in `en-zh-TW`."""
        source, target = _BEFORE_TARGET.split(text, maxsplit=1)
        return cls(source, target)

    def __str__(self) -> str:
        return f"{self.source}-{self.target}"
