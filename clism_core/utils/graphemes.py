"""Grapheme clusters, the characters that a reader perceives (Unicode Standard Annex 29): "é" as "e" and an accent, a
consonant of Hindi or Thai with its vowel signs, a sequence of emoji with joiners."""

from collections.abc import Iterable

import regex

_CLUSTER = regex.compile(r"\X", flags=regex.VERSION1)
# Without one of these, no cluster has several code points, except for line ends.
_JOINED = regex.compile(
    r"[\p{Grapheme_Cluster_Break=Extend}\p{Grapheme_Cluster_Break=SpacingMark}\p{Grapheme_Cluster_Break=ZWJ}"
    r"\p{Grapheme_Cluster_Break=Prepend}\p{Grapheme_Cluster_Break=Regional_Indicator}\p{Grapheme_Cluster_Break=V}"
    r"\p{Grapheme_Cluster_Break=T}]",
    flags=regex.VERSION1,
)


def widen_to_clusters(text: str, ranges: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """Return `ranges` of code points `[start, end)` of `text`, widened to the grapheme clusters that they touch.

    Empty ranges stay as they are.
    """
    if not _JOINED.search(text):
        return list(ranges)
    starts, ends = list(range(len(text))), list(range(1, len(text) + 1))
    end = 0
    for cluster in _CLUSTER.findall(text):
        start, end = end, end + len(cluster)
        if end - start > 1:
            starts[start:end], ends[start:end] = [start] * (end - start), [end] * (end - start)
    return [(starts[start], ends[end - 1]) if start < end else (start, end) for start, end in ranges]
