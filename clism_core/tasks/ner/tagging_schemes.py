"""Tagging schemes for entities, and their conversion to BIO as conlleval reads them.

A tag is `O`, or a prefix and a type: `B-PER`. In IOB2, here also called BIO, every entity starts with B. In IOB1 it
starts with I, and with B only directly after another entity of its type. In BIOES, entities of several tokens end with
E, and those of one token are marked S.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Literal

Scheme = Literal["IOB1", "IOB2", "BIOES"]

PREFIXES = "BIES"
"""Prefix letters of the tags in all three schemes."""


def find_scheme(sentences: Iterable[Sequence[str]]) -> Scheme:
    """Return the tagging scheme of a file, given the tags of each sentence.

    It is BIOES if any tag has E or S. Otherwise the majority of the first tags of entities decides, IOB2 in a tie;
    entities directly after another of their type are ignored, because they start with B in both schemes.
    """
    firsts: Counter[str] = Counter()
    for tags in sentences:
        if any(tag[0] in "ES" for tag in tags):
            return "BIOES"
        firsts.update(tag[0] for previous, tag in pairwise(("O", *tags)) if tag != "O" and previous[2:] != tag[2:])
    return "IOB1" if firsts["I"] > firsts["B"] else "IOB2"


def to_bio(tags: Sequence[str]) -> tuple[str, ...]:
    """Convert the tags of a sentence, in any of the schemes, to BIO.

    A tag that violates its scheme is read as conlleval does: an entity starts at B, after E, at a change of type, and
    at I or E after O; here also at S and after S, which conlleval does not support.
    """
    return tuple(
        tag if tag == "O" else f"{'B' if _begins(previous, tag) else 'I'}{tag[1:]}"
        for previous, tag in pairwise(("O", *tags))
    )


def invalid_transitions(tags: Sequence[str], scheme: Scheme) -> int:
    """Return the number of invalid transitions between tags in a sentence, including its start and end."""
    return sum(not _may_follow(previous, tag, scheme) for previous, tag in pairwise(("O", *tags, "O")))


def _begins(previous: str, tag: str) -> bool:
    """Return whether an entity starts at `tag`, which is not O."""
    return tag[0] in "BS" or previous[0] in "OES" or previous[2:] != tag[2:]


def _may_follow(previous: str, tag: str, scheme: Scheme) -> bool:
    same_type = previous[2:] == tag[2:]  # O has no type, so it differs from all other tags
    if scheme == "IOB1":
        return tag[0] != "B" or same_type
    if scheme == "IOB2":
        return tag[0] != "I" or same_type
    if previous[0] in "BI":
        return tag[0] in "IE" and same_type
    return tag[0] in "OBS"
