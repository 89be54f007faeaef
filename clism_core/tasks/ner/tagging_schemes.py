"""Tagging schemes of entities, and their conversion to BIO as conlleval reads them.

A tag is `O`, or a prefix and a type: `B-PER`. IOB2, here the same as BIO, begins each entity with B. IOB1 begins it
with I, and takes B only right after another entity of its type. BIOES ends entities of several tokens with E, and marks
those of one token with S.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Literal

Scheme = Literal["IOB1", "IOB2", "BIOES"]

PREFIXES = "BIES"
"""The letters before the type in the tags of all three schemes."""


def find_scheme(sentences: Iterable[Sequence[str]]) -> Scheme:
    """Return the scheme of the tags of a file, given by the sentence.

    It is BIOES where any tag has E or S. Else it is what most entities begin with, those left out that follow another
    of their type, which B begins in both; IOB2 where neither is more.
    """
    firsts: Counter[str] = Counter()
    for tags in sentences:
        if any(tag[0] in "ES" for tag in tags):
            return "BIOES"
        firsts.update(tag[0] for previous, tag in pairwise(("O", *tags)) if tag != "O" and previous[2:] != tag[2:])
    return "IOB1" if firsts["I"] > firsts["B"] else "IOB2"


def to_bio(tags: Sequence[str]) -> tuple[str, ...]:
    """Return the tags of a sentence, of any of the schemes, in BIO.

    A tag that breaks its scheme is read as conlleval does: an entity begins at B, at a change of type, and at I or E
    after O; here also at S and after S, which conlleval does not know.
    """
    return tuple(
        tag if tag == "O" else f"{'B' if _begins(previous, tag) else 'I'}{tag[1:]}"
        for previous, tag in pairwise(("O", *tags))
    )


def invalid_transitions(tags: Sequence[str], scheme: Scheme) -> int:
    """Return the number of places in a sentence, its end included, at which one tag may not follow another."""
    return sum(not _may_follow(previous, tag, scheme) for previous, tag in pairwise(("O", *tags, "O")))


def _begins(previous: str, tag: str) -> bool:
    """Tell whether an entity begins at `tag`, which is not O."""
    return tag[0] in "BS" or previous[0] in "OES" or previous[2:] != tag[2:]


def _may_follow(previous: str, tag: str, scheme: Scheme) -> bool:
    same_type = previous[2:] == tag[2:]  # O has no type, so it is like no other tag
    if scheme == "IOB1":
        return tag[0] != "B" or same_type
    if scheme == "IOB2":
        return tag[0] != "I" or same_type
    if previous[0] in "BI":
        return tag[0] in "IE" and same_type
    return tag[0] in "OBS"
