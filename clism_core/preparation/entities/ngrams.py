"""Informative n-grams by frequency: spans for languages without a pipeline, learnt from a sample of the corpus.

A single word is informative if it is rare. Several words must also form a collocation: their pointwise mutual
information, defined as in PMI-Masking (Levine et al., 2021, arXiv 2010.01825), is the minimum over all segmentations
of log2 p(w1 ... wn) / (p(part 1) ... p(part m)), where p(x) is the number of sentences with x divided by the sum of
these numbers over all words.
"""

import json
import math
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

from clism_core.preparation.entities.config import EntitiesConfig
from clism_core.preparation.entities.stop_words import is_acronym, is_informative, stop_words
from clism_core.utils import storage
from clism_core.utils.errors import InputError

_APOSTROPHES = ("'", "’")


@dataclass(frozen=True)
class NgramVocabulary:
    """Informative n-grams of a language."""

    language: str
    sentences: int
    """Number of sentences in the sample."""
    counts: dict[str, int]
    """Number of sentences of the sample with each n-gram; its words are separated by spaces, and in lower case unless
    they are acronyms."""

    def find(self, words: Sequence[str], *, max_ngrams: int) -> list[range]:
        """Return the informative n-grams of a sentence, as ranges of `words`, from left to right, without overlaps.

        At most `max_ngrams` are selected greedily: rare ones first, then long ones, then left ones.
        """
        forms = list(map(_form, words))
        found = [
            (self.counts[ngram], start - end, start, end)
            for start, end, ngram in _ngrams(forms, max_words=self._max_words)
            if ngram in self.counts
        ]
        selected: list[range] = []
        for _, _, start, end in sorted(found):
            if len(selected) < max_ngrams and all(end <= other.start or other.stop <= start for other in selected):
                selected.append(range(start, end))
        return sorted(selected, key=lambda ngram: ngram.start)

    @cached_property
    def _max_words(self) -> int:
        return max(ngram.count(" ") + 1 for ngram in self.counts)

    def save(self, path: str) -> None:
        """Write the vocabulary to the JSON file `path`, local or s3://; equal vocabularies give identical files."""
        content = {"language": self.language, "sentences": self.sentences, "counts": self.counts}
        storage.write_bytes(path, json.dumps(content, ensure_ascii=False, indent=0).encode())

    @classmethod
    def load(cls, path: str) -> "NgramVocabulary":
        """Return the vocabulary that was saved at `path`; raises `FileNotFoundError`."""
        return cls(**storage.read_json(path))


def learn_ngrams(
    sentences: Iterable[Sequence[str]], *, config: EntitiesConfig, language: str, max_counted: int = 2_000_000
) -> NgramVocabulary:
    """Return the informative n-grams of a sample of sentences of `language`, each given as its words.

    An n-gram has at most `ngram_max_words` words without punctuation, and neither begins nor ends with a stop word. It
    occurs in at least `ngram_min_count` sentences and at most in the share `ngram_max_share` of them; the mutual
    information of several words is at least `ngram_min_pmi`.

    The same sentences in the same order give the same vocabulary. At most `max_counted` n-grams, plus those of one
    sentence, are counted at the same time (about 200 bytes each). Beyond that, the rarest are dropped until half are
    left, similar to lossy counting (Manku and Motwani 2002); the counts of those that occur again are too low.

    Raises `InputError` if no n-gram is informative.
    """
    counts, number, words = _count(sentences, max_words=config.ngram_max_words, max_counted=max_counted)
    max_count = config.ngram_max_share * number
    stops = stop_words(language)
    informative = {
        ngram: counts[ngram]
        for ngram in sorted(counts)
        if config.ngram_min_count <= counts[ngram] <= max_count
        and _has_informative_ends(ngram, stops=stops)
        and mutual_information(ngram, counts=counts, words=words) >= config.ngram_min_pmi
    }
    if not informative:
        raise InputError(
            f"entities.span_kind: no informative n-gram of {language} occurs in {config.ngram_min_count} to "
            f"{max_count:g} of {number:,} sentences; lower entities.ngram_min_count or raise entities.ngram_max_share"
        )
    return NgramVocabulary(language, number, informative)


def mutual_information(ngram: str, *, counts: dict[str, int], words: int) -> float:
    """Return the PMI of `ngram` in bits; infinity for a single word.

    Args:
        ngram: words separated by spaces.
        counts: counts of `ngram` and all n-grams within it.
        words: sum of the counts of all single words.
    """
    parts = ngram.split(" ")
    # likeliest[start, end]: maximum of log2 p(part 1) ... p(part m) over all segmentations of these words
    likeliest: dict[tuple[int, int], float] = {}
    for length in range(1, len(parts) + 1):
        for start in range(len(parts) - length + 1):
            end = start + length
            whole = math.log2(counts[" ".join(parts[start:end])] / words)
            cut = max(
                (likeliest[start, middle] + likeliest[middle, end] for middle in range(start + 1, end)),
                default=-math.inf,
            )
            likeliest[start, end] = max(whole, cut)
    return whole - cut


def _count(sentences: Iterable[Sequence[str]], *, max_words: int, max_counted: int) -> tuple[Counter[str], int, int]:
    """Return the number of sentences with each n-gram, of all sentences, and the sum of the counts of all words."""
    counts: Counter[str] = Counter()
    number = words = 0
    for sentence in sentences:
        number += 1
        forms = list(map(_form, sentence))
        ngrams = {ngram for _, _, ngram in _ngrams(forms, max_words=max_words)}
        counts.update(ngrams)
        words += sum(" " not in ngram for ngram in ngrams)
        if len(counts) > max_counted:
            counts = _drop_rarest(counts, keep=max_counted // 2)
    return counts, number, words


def _drop_rarest(counts: Counter[str], *, keep: int) -> Counter[str]:
    # An n-gram is counted whenever a longer one that contains it is, so that it is never dropped before the longer one.
    by_count = Counter(counts.values())
    total, dropped_count = len(counts), 0
    while total > keep:
        dropped_count += 1
        total -= by_count[dropped_count]
    return Counter({ngram: count for ngram, count in counts.items() if count > dropped_count})


def _ngrams(forms: Sequence[str], *, max_words: int) -> Iterator[tuple[int, int, str]]:
    """Yield start, end and text of every n-gram without punctuation."""
    is_word = [any(map(str.isalnum, form)) for form in forms]
    for start in range(len(forms)):
        for end in range(start + 1, min(start + max_words, len(forms)) + 1):
            if not is_word[end - 1]:
                break
            yield start, end, " ".join(forms[start:end])


def _form(word: str) -> str:
    """Return the form under which a word is counted: in lower case, unless it is an acronym (US is not us)."""
    return word if is_acronym(word) else word.lower()


def _has_informative_ends(ngram: str, *, stops: Collection[str]) -> bool:
    words = ngram.split(" ")
    return all(
        is_informative(word, stops=stops) and not _is_contraction(word, stops=stops) for word in {words[0], words[-1]}
    )


def _is_contraction(word: str, *, stops: Collection[str]) -> bool:
    """Return whether `word` is a contraction of two stop words: "don't" is "do" + "n't", "qu'il" is "qu'" + "il"."""
    return any(mark in word for mark in _APOSTROPHES) and any(
        word[:cut] in stops and word[cut:] in stops for cut in range(1, len(word))
    )
