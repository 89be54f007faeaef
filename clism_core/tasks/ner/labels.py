"""Labels of a tagger: O, and B-X and I-X for each entity type X."""

from collections.abc import Iterable, Sequence

from clism_core.utils.errors import InputError
from clism_core.utils.text import listed, printable

IGNORED = -100
"""Label of tokens without a prediction: template tokens, `[QUE]`, all but the first sub-word of a word, padding."""


class Labels:
    """Numbering of the 2T + 1 labels for T types: O is 0, B-X and I-X of type number t are 2t + 1 and 2t + 2."""

    def __init__(self, types: Iterable[str]):
        self.types = tuple(types)
        self.names = ("O", *(f"{prefix}-{name}" for name in self.types for prefix in "BI"))
        self._numbers = {name: number for number, name in enumerate(self.names)}

    def __len__(self) -> int:
        return len(self.names)

    def numbers(self, tags: Iterable[str]) -> list[int]:
        """Return the number of each tag; raises `InputError` for a tag of an unknown type."""
        return [self._number(tag) for tag in tags]

    def tags(self, numbers: Sequence[int]) -> list[str]:
        """Return the tag of each number."""
        return [self.names[number] for number in numbers]

    def _number(self, tag: str) -> int:
        number = self._numbers.get(tag)
        if number is None:
            raise InputError(
                f"tag {printable(tag)!r} is unknown to a model for {listed(self.types)}; add its type to --ner.types, "
                "or replace such tags with O"
            )
        return number
