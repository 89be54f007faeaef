"""Data for the evaluation of aligners: gold alignments, the spans that they project, and text for training."""

import gzip
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from clism_core.preparation.alignment.pharaoh import parse_links
from clism_core.preparation.cleaning import clean, text_reason
from clism_core.preparation.entities.config import EntitiesConfig
from clism_core.preparation.entities.finder import find_candidates
from clism_core.preparation.entities.spacy_pipeline import load_pipeline
from clism_core.preparation.entities.stop_words import content_words, stop_words
from clism_core.preparation.spans import AlignedSpan, Candidate, Link, project
from clism_core.utils.errors import InputError
from clism_core.utils.words import Word, segment, whitespace_tokens

_MAX_WORDS = 200


@dataclass
class GoldSet:
    """Manually aligned sentence pairs of one language pair."""

    path: str
    """File with lines of source, target and links `i-j`: tab-separated, words separated by spaces, word -1 for none."""
    source_lang: str
    target_lang: str
    corpus: str | None = None
    """Parallel text from which the statistical aligner learns, in addition to the gold sentences: TSV, plain or gz,
    with source and target in the first two columns. None: only the gold sentences, which are far too little text."""


class GoldSentence(NamedTuple):
    """Words and sure links of a sentence pair."""

    source: list[str]
    target: list[str]
    links: set[Link]


def read_gold(path: str) -> list[GoldSentence]:
    """Return the sentence pairs of a gold file; raises `InputError` for an invalid line."""
    sentences = []
    for number, line in enumerate(Path(path).read_text(encoding="utf-8").splitlines(), start=1):
        fields = line.split("\t")
        if len(fields) != 3:
            raise InputError(f"{path}:{number}: {len(fields)} columns; give source, target and links, tab-separated")
        source, target = fields[0].split(), fields[1].split()
        # Some gold files link words without a translation to word -1.
        links = parse_links(" ".join(link for link in fields[2].split() if link[0] != "-" and "--" not in link))
        if links is None or any(i >= len(source) or j >= len(target) for i, j in links):
            raise InputError(f"{path}:{number}: invalid links: not a list of i-j, or a word index is out of range")
        sentences.append(GoldSentence(source, target, links))
    return sentences


def read_corpus(gold: GoldSet) -> list[tuple[list[str], list[str]]]:
    """Return the words of the sentence pairs of `corpus`, segmented and filtered as in `prepare`."""
    if gold.corpus is None:
        return []
    pairs: dict[tuple[str, str], None] = {}
    opener = gzip.open if gold.corpus.endswith(".gz") else open
    with opener(gold.corpus, "rt", encoding="utf-8", errors="replace", newline="\n") as file:
        for line in file:
            fields = line.rstrip("\n").split("\t")
            if len(fields) < 2:
                continue
            source, target = clean(fields[0]), clean(fields[1])
            if text_reason(fields[0], fields[1], cleaned_source=source, cleaned_target=target) is None:
                pairs[source, target] = None
    words = [(_words(source, gold.source_lang), _words(target, gold.target_lang)) for source, target in pairs]
    return [(source, target) for source, target in words if max(len(source), len(target)) <= _MAX_WORDS]


def _words(text: str, language: str) -> list[str]:
    return [text[start:end] for start, end in segment(text, language)]


def find_spans(sentences: list[GoldSentence], config: EntitiesConfig, *, language: str) -> list[list[Candidate]]:
    """Return the candidates of each source sentence, as code points of its words joined by spaces."""
    from spacy.tokens import Doc

    nlp = load_pipeline(config)
    docs = nlp.pipe(Doc(nlp.vocab, words=sentence.source) for sentence in sentences)
    stops = stop_words(language)
    return [find_candidates(doc, span_kind=config.span_kind, max_tokens=config.max_tokens, stops=stops) for doc in docs]


def projected(
    sentence: GoldSentence, candidates: list[Candidate], links: set[Link], *, max_words: int, stops: frozenset[str]
) -> set[AlignedSpan]:
    """Return the spans of a sentence pair that `prepare` would create with `links`.

    `stops` are the stop words of the source; without any, partial answers are kept.
    """
    target = " ".join(sentence.target)
    return set(
        project(
            candidates,
            source_words=_places(sentence.source),
            target_words=_places(sentence.target),
            target=target,
            links=links,
            max_answer_words=max_words,
            content_words=content_words(sentence.source, stops=stops),
        ).spans
    )


def _places(words: list[str]) -> list[Word]:
    return whitespace_tokens(" ".join(words))
