"""Informative n-grams by frequency: spans for languages without a pipeline, learnt from a sample of the corpus.

A single word is informative where it is rare. Several words are where they, moreover, belong together: their pointwise
mutual information is that of PMI-Masking (Levine et al., 2021, arXiv 2010.01825), the least over all ways to cut them
in parts: log2 p(w1 ... wn) / (p(part 1) ... p(part m)), where p(x) is the number of sentences with x over the sum of
these numbers of all words.
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
    """The informative n-grams of a language."""

    language: str
    sentences: int
    """Of the sample."""
    counts: dict[str, int]
    """The sentences of the sample with each n-gram: its words in lower case but for acronyms, a space between them."""

    def find(self, words: Sequence[str], *, most: int) -> list[range]:
        """Return the informative n-grams of a sentence, as ranges of `words`, from left to right, none overlapping.

        There are at most `most`, chosen one after the other: the rarest first, then the longer, then the left one.
        """
        forms = list(map(_form, words))
        found = [
            (self.counts[ngram], start - end, start, end)
            for start, end, ngram in _ngrams(forms, max_words=self._max_words)
            if ngram in self.counts
        ]
        chosen: list[range] = []
        for _, _, start, end in sorted(found):
            if len(chosen) < most and all(end <= other.start or other.stop <= start for other in chosen):
                chosen.append(range(start, end))
        return sorted(chosen, key=lambda ngram: ngram.start)

    @cached_property
    def _max_words(self) -> int:
        return max(ngram.count(" ") + 1 for ngram in self.counts)

    def save(self, path: str) -> None:
        """Write the vocabulary to the JSON file `path`, local or s3://; the same one always as the same bytes."""
        content = {"language": self.language, "sentences": self.sentences, "counts": self.counts}
        storage.write_bytes(path, json.dumps(content, ensure_ascii=False, indent=0).encode())

    @classmethod
    def load(cls, path: str) -> "NgramVocabulary":
        """Return the vocabulary that was saved at `path`; raises `FileNotFoundError`."""
        return cls(**storage.read_json(path))


def learn_ngrams(
    sentences: Iterable[Sequence[str]], *, config: EntitiesConfig, language: str, most_counted: int = 2_000_000
) -> NgramVocabulary:
    """Return the informative n-grams of a sample of sentences of `language`, each given as its words.

    An n-gram has at most `ngram_max_words` words, none of them punctuation, and neither begins nor ends with a stop
    word. It occurs in `ngram_min_count` sentences or more, and at most in the share `ngram_max_share` of them; if it
    has several words, their mutual information is `ngram_min_pmi` or more.

    The same sentences in the same order give the same vocabulary. No more than `most_counted` n-grams, and those of one
    sentence, are counted at once (about 200 bytes each): beyond, the rarest are forgotten until half are left (after
    lossy counting, Manku and Motwani 2002), and those that come back are counted too low.

    Raises `InputError` where no n-gram is informative.
    """
    counts, number, words = _count(sentences, max_words=config.ngram_max_words, most_counted=most_counted)
    most = config.ngram_max_share * number
    stops = stop_words(language)
    informative = {
        ngram: counts[ngram]
        for ngram in sorted(counts)
        if config.ngram_min_count <= counts[ngram] <= most
        and _has_informative_ends(ngram, stops=stops)
        and mutual_information(ngram, counts=counts, words=words) >= config.ngram_min_pmi
    }
    if not informative:
        raise InputError(
            f"entities.span_kind: no informative n-gram of {language} occurs in {config.ngram_min_count} to {most:g} "
            f"of {number:,} sentences; lower entities.ngram_min_count or raise entities.ngram_max_share"
        )
    return NgramVocabulary(language, number, informative)


def mutual_information(ngram: str, *, counts: dict[str, int], words: int) -> float:
    """Return the PMI of `ngram` in bits, infinity for a single word.

    Args:
        ngram: words with a space between them.
        counts: of `ngram` and all n-grams within it.
        words: sum of the counts of all single words.
    """
    parts = ngram.split(" ")
    # likeliest[start, end]: of all ways to cut these words in parts, the largest log2 p(part 1) ... p(part m)
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


def _count(sentences: Iterable[Sequence[str]], *, max_words: int, most_counted: int) -> tuple[Counter[str], int, int]:
    """Return the sentences with each n-gram, the number of all sentences, and the sum of the counts of all words."""
    counts: Counter[str] = Counter()
    number = words = 0
    for sentence in sentences:
        number += 1
        forms = list(map(_form, sentence))
        ngrams = {ngram for _, _, ngram in _ngrams(forms, max_words=max_words)}
        counts.update(ngrams)
        words += sum(" " not in ngram for ngram in ngrams)
        if len(counts) > most_counted:
            counts = _without_rarest(counts, left=most_counted // 2)
    return counts, number, words


def _without_rarest(counts: Counter[str], *, left: int) -> Counter[str]:
    # An n-gram is counted whenever one that holds it is, so that none is forgotten before those that hold it.
    by_count = Counter(counts.values())
    total, least = len(counts), 0
    while total > left:
        least += 1
        total -= by_count[least]
    return Counter({ngram: count for ngram, count in counts.items() if count > least})


def _ngrams(forms: Sequence[str], *, max_words: int) -> Iterator[tuple[int, int, str]]:
    """Yield start, end and text of every n-gram without punctuation."""
    is_word = [any(map(str.isalnum, form)) for form in forms]
    for start in range(len(forms)):
        for end in range(start + 1, min(start + max_words, len(forms)) + 1):
            if not is_word[end - 1]:
                break
            yield start, end, " ".join(forms[start:end])


def _form(word: str) -> str:
    """Return what counts as the same word: US is not us."""
    return word if is_acronym(word) else word.lower()


def _has_informative_ends(ngram: str, *, stops: Collection[str]) -> bool:
    words = ngram.split(" ")
    return all(
        is_informative(word, stops=stops) and not _is_contraction(word, stops=stops) for word in {words[0], words[-1]}
    )


def _is_contraction(word: str, *, stops: Collection[str]) -> bool:
    """Tell whether `word` is two stop words in one: "don't" is "do" and "n't", "qu'il" is "qu'" and "il"."""
    return any(mark in word for mark in _APOSTROPHES) and any(
        word[:cut] in stops and word[cut:] in stops for cut in range(1, len(word))
    )
