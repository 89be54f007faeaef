"""Alignment quality: error rate of links, precision and recall of projected spans, by aligner and symmetrisation.

    python benchmarks/alignment_quality.py --aligner.model FOLDER --aligner.layer 7 --output quality.md --gold \\
        '[{path: en-hi.gold.tsv, corpus: en-hi.tsv.gz, source_lang: en, target_lang: hi}]'

The statistical aligner learns from the corpus with the gold sentences added (`whole`), and from the corpus without them
(`priors`); with these priors, it then aligns a block of rows that contains them, as `prepare` does. A span counts as
found if the links project it to exactly the same words as the gold links. Partial answers are left out as in `prepare`,
but not from the gold spans; the last table shows what this changes. Confidence intervals are 95 %, by bootstrap over
sentences. The same input gives the same table.
"""

import csv
import io
import random
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import NamedTuple, TypeVar

import jsonargparse
from alignment_gold import GoldSentence, GoldSet, find_spans, projected, read_corpus, read_gold
from alignment_scores import Counts, Estimate, as_error, count, difference, estimate

from clism_core.cluster.console import quieten_libraries
from clism_core.preparation.alignment.combination import combine
from clism_core.preparation.alignment.config import AlignerConfig
from clism_core.preparation.alignment.eflomal import both_directions, learn_priors
from clism_core.preparation.alignment.embedding import EmbeddingAligner, Matrix, word_links
from clism_core.preparation.alignment.symmetrize import symmetrize
from clism_core.preparation.entities.config import EntitiesConfig
from clism_core.preparation.entities.stop_words import stop_words
from clism_core.preparation.spans import Link
from clism_core.utils.errors import InputError

T = TypeVar("T")
Directions = list[tuple[set[Link], set[Link]]]

COLUMNS = ("aligner", "links by", "AER", "precision", "recall", "span precision", "span recall", "span F1")
PARTIAL_COLUMNS = ("aligner", "links by", "partial answers", "of these wrong", "span precision", "span F1")


@dataclass
class Benchmark:
    """Configuration of the benchmark."""

    gold: list[GoldSet]
    """Gold alignments, each with the parallel text from which the statistical aligner learns."""
    aligner: AlignerConfig = field(default_factory=AlignerConfig)
    """Encoder, layer, batch size, iterations, number of training pairs and seed; all kinds and methods are measured."""
    layers: list[int] = field(default_factory=list)
    """Further layers for the embedding aligner and the combination."""
    train_sizes: list[int] = field(default_factory=list)
    """Sizes of corpora that consist of the gold sentences and a part of the corpus: the statistical aligner learns from
    such a corpus and aligns it, as in `prepare`."""
    entities: EntitiesConfig = field(default_factory=lambda: EntitiesConfig(span_kind="entities+noun_chunks"))
    """Spans to project."""
    max_answer_words: int = 10
    """Maximum length of an answer in words."""
    rows_per_file: int = 10_000
    """Number of sentence pairs that are aligned together with priors."""
    output: str | None = None
    """File for the tables: Markdown, or CSV if its name ends in .csv."""


class System(NamedTuple):
    """Links of one alignment method in each gold sentence."""

    aligner: str
    links_by: str
    links: list[set[Link]]


class Score(NamedTuple):
    """Counts of a system's links and spans."""

    system: System
    links: Counts
    spans: Counts
    spans_with_partial: Counts
    """Counts of spans if partial answers are kept."""


def main(config: Benchmark) -> None:
    """Run the measurements, then print and write the tables."""
    rows: list[list[str]] = []
    for gold in config.gold:
        sentences = read_gold(gold.path)
        title = f"{gold.source_lang}-{gold.target_lang}"
        scores = score(list(systems(config, gold, sentences)), config, gold, sentences)
        print(f"\n## {title}: {len(sentences)} sentence pairs, {sum(len(s.links) for s in sentences)} links,", end=" ")
        print(f"{scores[0].spans[:, 2].sum()} spans\n")
        table = [row(one, seed=config.aligner.seed or 0) for one in scores]
        print(markdown(COLUMNS, table))
        print(markdown(("combination against", "AER", "span F1"), list(against(scores, config))))
        print(markdown(PARTIAL_COLUMNS, [partial_row(one, seed=config.aligner.seed or 0) for one in scores]))
        rows += [[title, *cells] for cells in table]
    if config.output is not None:
        columns = ("gold", *COLUMNS)
        text = comma_separated(columns, rows) if config.output.endswith(".csv") else markdown(columns, rows)
        Path(config.output).write_text(text, encoding="utf-8")


def systems(config: Benchmark, gold: GoldSet, sentences: list[GoldSentence]) -> Iterator[System]:
    """Yield all systems; those with priors need a corpus, since they learn without the gold sentences."""
    say(f"{gold.path}: reading {gold.corpus or 'no corpus: the gold sentences alone'}")
    pairs = [(sentence.source, sentence.target) for sentence in sentences]
    corpus = read_corpus(gold)
    learnt = {"whole": timed("eflomal, whole", partial(_whole, config.aligner, pairs + corpus))[: len(pairs)]}
    if corpus:
        sample = random.Random(config.aligner.seed).sample(corpus, min(config.aligner.train_pairs, len(corpus)))
        learnt["priors"] = timed("eflomal, priors", partial(_by_priors, config, sample, pairs + corpus))[: len(pairs)]
    for name, directions in learnt.items():
        yield from _eflomal_systems(f"eflomal, {name}", directions)
    for size in (size for size in config.train_sizes if len(pairs) <= size <= len(pairs) + len(corpus)):
        part = pairs + random.Random(config.aligner.seed).sample(corpus, size - len(pairs))
        name = f"{size:,} pairs"
        learnt[name] = timed(f"eflomal, {name}", partial(_by_priors, config, part, part))[: len(pairs)]
        default = config.aligner.symmetrization
        yield System(f"eflomal, {name}", default, [symmetrize(f, r, default) for f, r in learnt[name]])
    for layer in [config.aligner.layer, *config.layers]:
        similarities = timed(f"encoder, layer {layer}", partial(_similarities, config, layer, pairs))
        for method in ("argmax", "itermax", "grow"):
            yield System(f"embedding, layer {layer}", method, [word_links(s, method=method) for s in similarities])
        for name, directions in learnt.items():
            combined = [combine(f, r, s) for (f, r), s in zip(directions, similarities, strict=True)]
            yield System(f"combination, layer {layer}", name, combined)


def _whole(aligner: AlignerConfig, pairs: list[tuple[list[str], list[str]]]) -> Directions:
    return both_directions([source for source, _ in pairs], [target for _, target in pairs], seed=aligner.seed)


def _by_priors(
    config: Benchmark, sample: list[tuple[list[str], list[str]]], rows: list[tuple[list[str], list[str]]]
) -> Directions:
    """Align the first block of `rows` with priors learnt from `sample`."""
    aligner = config.aligner
    priors = learn_priors([source for source, _ in sample], [target for _, target in sample], seed=aligner.seed)
    block = rows[: config.rows_per_file]
    return both_directions(
        [source for source, _ in block],
        [target for _, target in block],
        priors=priors,
        iterations=aligner.iterations,
        seed=aligner.seed,
    )


def _eflomal_systems(name: str, directions: Directions) -> Iterator[System]:
    yield System(name, "forward", [forward for forward, _ in directions])
    yield System(name, "reverse", [reverse for _, reverse in directions])
    for method in ("intersection", "grow_diag", "grow_diag_final_and", "union"):
        yield System(name, method, [symmetrize(forward, reverse, method) for forward, reverse in directions])


def _similarities(config: Benchmark, layer: int, pairs: list[tuple[list[str], list[str]]]) -> list[Matrix]:
    settings = AlignerConfig(model=config.aligner.model, layer=layer, batch_size=config.aligner.batch_size)
    aligner = EmbeddingAligner(settings)
    found = dict(aligner.similarities([source for source, _ in pairs], [target for _, target in pairs]))
    return [found[number] for number in range(len(pairs))]


def score(found: list[System], config: Benchmark, gold: GoldSet, sentences: list[GoldSentence]) -> list[Score]:
    """Return the counts of all systems."""
    candidates = find_spans(sentences, config.entities, language=gold.source_lang)
    gold_links = [sentence.links for sentence in sentences]

    def spans(links: list[set[Link]], stops: frozenset[str]) -> list[set[object]]:
        each = zip(sentences, candidates, links, strict=True)
        words = config.max_answer_words
        return [set(projected(s, c, found_links, max_words=words, stops=stops)) for s, c, found_links in each]

    gold_spans, stops = spans(gold_links, frozenset()), stop_words(gold.source_lang)
    return [
        Score(
            one,
            links=count(one.links, gold_links),
            spans=count(spans(one.links, stops), gold_spans),
            spans_with_partial=count(spans(one.links, frozenset()), gold_spans),
        )
        for one in found
    ]


def row(one: Score, *, seed: int) -> list[str]:
    """Return the table row of a system."""
    links = {name: estimate(one.links, name=name, seed=seed) for name in ("precision", "recall", "f1")}
    spans = {name: estimate(one.spans, name=name, seed=seed) for name in ("precision", "recall", "f1")}
    cells = [as_error(links["f1"]), links["precision"], links["recall"], *spans.values()]
    return [one.system.aligner, one.system.links_by, *map(cell, cells)]


def against(scores: list[Score], config: Benchmark) -> Iterator[list[str]]:
    """Yield the differences between the combination and each system trained in the same way, at the configured
    layer."""
    layer, seed = config.aligner.layer, config.aligner.seed or 0
    for combined in scores:
        if combined.system.aligner != f"combination, layer {layer}":
            continue
        for other in scores:
            if other.system.aligner in (f"eflomal, {combined.system.links_by}", f"embedding, layer {layer}"):
                error = difference(other.links, combined.links, name="f1", seed=seed)
                spans = difference(combined.spans, other.spans, name="f1", seed=seed)
                names = f"{combined.system.links_by}: {other.system.aligner}, {other.system.links_by}"
                yield [names, cell(error, sign="+"), cell(spans, sign="+")]


def partial_row(one: Score, *, seed: int) -> list[str]:
    """Return the number of partial answers of a system, how many are wrong, and what leaving them out changes."""
    right, found, _ = (one.spans_with_partial - one.spans).sum(axis=0)
    changes = [difference(one.spans, one.spans_with_partial, name=name, seed=seed) for name in ("precision", "f1")]
    return [
        one.system.aligner,
        one.system.links_by,
        str(found),
        str(found - right),
        *(cell(c, sign="+") for c in changes),
    ]


def cell(value: Estimate, sign: str = "") -> str:
    """Format a value with its interval."""
    return f"{value.value:{sign}.1f} ({value.low:{sign}.1f} to {value.high:{sign}.1f})"


def markdown(columns: tuple[str, ...], rows: list[list[str]]) -> str:
    """Return a table as Markdown."""
    lines = [list(columns), ["---"] * len(columns), *rows]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)


def comma_separated(columns: tuple[str, ...], rows: list[list[str]]) -> str:
    """Return a table as CSV."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([list(columns), *rows])
    return text.getvalue()


def timed(what: str, work: Callable[[], T]) -> T:
    """Return the result of `work`, and report the time it took."""
    began = time.monotonic()
    result = work()
    say(f"{what}: {time.monotonic() - began:.0f} s")
    return result


def say(text: str) -> None:
    """Report progress on standard error."""
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    jsonargparse.set_parsing_settings(docstring_parse_attribute_docstrings=True)
    parser = jsonargparse.ArgumentParser(description=__doc__, allow_abbrev=False)
    parser.add_class_arguments(Benchmark)
    values = parser.instantiate(parser.parse_args())
    quieten_libraries()
    try:
        main(Benchmark(**vars(values)))
    except InputError as error:
        sys.exit(f"error: {error}")
