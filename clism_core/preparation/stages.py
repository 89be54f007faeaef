"""Stages of `prepare`, run by Ray: read and clean the corpora, train on whole corpora, make samples.

Each stage stores its results and skips those that exist already, so that an interrupted run resumes.
"""

import logging
import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from functools import partial
from typing import TypedDict

import pyarrow as pa
import ray
from ray.data import ActorPoolStrategy

from clism_core.cluster.nodes import node_resources
from clism_core.cluster.ray_data import map_with_retries
from clism_core.preparation.alignment.aligner import Words, aligner_class
from clism_core.preparation.alignment.config import AlignerConfig
from clism_core.preparation.cleaning_stage import RawShards, clean_shard, shard_name
from clism_core.preparation.config import PrepareConfig
from clism_core.preparation.corpus import CorpusConfig
from clism_core.preparation.deduplication import draw_sample, find_duplicates
from clism_core.preparation.entities import learn_ngrams
from clism_core.preparation.sample_stage import MADE, SampleMaker
from clism_core.preparation.schema import each_words_as_text
from clism_core.preparation.staging import CLEANED, LEARNT, NGRAMS, Shard, Work
from clism_core.utils import storage
from clism_core.utils.progress import Progress

logger = logging.getLogger(__name__)

_READER_CPUS = 0.01  # readers can always be scheduled beside cleaning tasks, which prevents a deadlock of the two
_CLEANER_CPUS = 0.5
_TRAINING_CPUS = 2  # eflomal's two directions
_MAX_BLOCKS = 10_000  # Ray holds all of them from the start
_NGRAM_SAMPLE = 200_000  # sentence pairs in which the n-grams of a language are counted


class CorpusRows(TypedDict):
    """Rows read from a corpus: its shards as (first row, number of rows), and the number of rows beyond its cap."""

    shards: list[tuple[int, int]]
    beyond_cap: int


def clean_corpora(config: PrepareConfig, work: Work) -> list[CorpusRows]:
    """Read the corpora and write their rows, cleaned and segmented into words; return the rows read from each."""
    corpora_rows: dict[int, CorpusRows | None] = {
        number: work.read_json("corpora", f"{number}.json") for number in range(len(config.corpora))
    }
    unread = {number: config.corpora[number] for number, rows in corpora_rows.items() if rows is None}
    if unread:
        corpora_rows |= _clean_unread(config, work, unread)
    return [rows for rows in corpora_rows.values() if rows is not None]


def _clean_unread(config: PrepareConfig, work: Work, unread: dict[int, CorpusConfig]) -> dict[int, CorpusRows]:
    raw = RawShards(unread, rows_per_shard=config.rows_per_file, cleaned=work.names(CLEANED))
    readers = min(len(unread), 2 * _cpus())
    rows = ray.data.read_datasource(raw, override_num_blocks=len(unread), num_cpus=_READER_CPUS, concurrency=readers)
    clean = partial(clean_shards, config=config, work=work)
    shards = map_with_retries(rows, clean, batch_size=1, num_cpus=_CLEANER_CPUS)
    shards.context.target_max_block_size = 1  # bytes: every shard is a block, so that shards are cleaned concurrently
    progress = Progress("reading")
    corpora_rows = {number: CorpusRows(shards=[], beyond_cap=0) for number in unread}
    totals: dict[int, int] = {}
    cleaned = Counter[int]()
    for shard in shards.iter_rows():  # in order of completion: the end of a corpus may come before its last shards
        number = shard["corpus"]
        if shard["first_row"] is None:
            totals[number] = shard["rows"]
            corpora_rows[number]["beyond_cap"] = shard["beyond_cap"]
        else:
            corpora_rows[number]["shards"].append((shard["first_row"], shard["rows"]))
            cleaned[number] += shard["rows"]
            progress.add(shard["rows"])
        if totals.get(number) == cleaned[number]:
            corpora_rows[number]["shards"].sort()
            work.write_json(corpora_rows[number], "corpora", f"{number}.json")
    return corpora_rows


def clean_shards(batch: pa.Table, *, config: PrepareConfig, work: Work) -> pa.Table:
    """Clean and write the shards of `batch`, a table with `RAW_SHARD_SCHEMA`; return it without their rows."""
    for shard in batch.to_pylist():
        if shard["raw"] is not None:
            corpus = config.corpora[shard["corpus"]]
            rows = clean_shard(
                shard["raw"],
                first_row=shard["first_row"],
                corpus=corpus,
                number=shard["corpus"],
                cleaning=config.cleaning,
                given_alignment=aligner_class(config.aligner).is_precomputed,
            )
            work.check_owner()
            work.write_rows(shard_name(corpus, number=shard["corpus"], first_row=shard["first_row"]), rows)
    return batch.drop_columns(["raw"])


def list_shards(config: PrepareConfig, corpora_rows: list[CorpusRows]) -> list[Shard]:
    """Return all shards, in the order of corpora and rows."""
    return [
        Shard(shard_name(corpus, number=number, first_row=first_row), number, corpus.pair, rows)
        for number, (corpus, corpus_rows) in enumerate(zip(config.corpora, corpora_rows, strict=True))
        for first_row, rows in corpus_rows["shards"]
    ]


def learn(config: PrepareConfig, work: Work, shards: list[Shard]) -> None:
    """Find duplicates, train aligners and count n-grams over the whole corpora; pairs and languages concurrently."""
    cpus = min(_TRAINING_CPUS, max(1, *(node.get("CPU", 0) for node in node_resources())))
    pair_task = ray.remote(learn_pair).options(num_cpus=cpus, scheduling_strategy="SPREAD")
    language_task = ray.remote(count_language_ngrams).options(num_cpus=1, scheduling_strategy="SPREAD")
    by_pair, by_language = defaultdict(list), defaultdict(list)
    for shard in shards:
        by_pair[shard.pair].append(shard)
        by_language[config.corpora[shard.corpus].source_lang].append(shard)
    known = work.names(LEARNT)
    tasks = [pair_task.remote(config, work, pair, part) for pair, part in by_pair.items() if pair not in known]
    if config.entities.span_kind == "ngrams":
        known = work.names(NGRAMS)
        tasks += [
            language_task.remote(config, work, name, part) for name, part in by_language.items() if name not in known
        ]
    if tasks:
        logger.info("finding duplicates and training aligners for %s", ", ".join(by_pair))
    ray.get(tasks)
    warn_about_few_pairs(config.aligner, {pair: work.read_json(LEARNT, f"{pair}.json")["pairs"] for pair in by_pair})


def warn_about_few_pairs(config: AlignerConfig, learnt_from: Mapping[str, int]) -> None:
    """Log a warning about language pairs, given with the sentence pairs learnt from, for which they are too few."""
    if not aligner_class(config).needs_text:
        return
    for pair, pairs in learnt_from.items():
        if pairs < config.min_pairs:
            logger.warning(
                "%s: %s learns word links from %s sentence pairs; with fewer than %s, more of its answers are wrong "
                "than those of an encoder (docs/alignment.md): add text, or give aligner.kind embedding or combination",
                *(pair, config.kind, f"{pairs:,}", f"{config.min_pairs:,}"),
            )


def learn_pair(config: PrepareConfig, work: Work, pair: str, shards: list[Shard]) -> None:
    """Find the duplicates of a language pair, and let the aligner learn from the pair."""
    work.check_owner()
    rows = work.open_rows(shards)
    storage.write_bytes(work.duplicates_path(pair), find_duplicates(rows))

    drawn = 0

    def draw(size: int) -> tuple[Iterable[Words], Iterable[Words]]:
        nonlocal drawn
        sample = draw_sample(rows, size)
        drawn = sample.num_rows
        return each_words_as_text(sample, "source"), each_words_as_text(sample, "target")

    learnt = aligner_class(config.aligner).learn(config.aligner, draw)
    storage.write_bytes(work.learnt_path(pair), learnt)
    work.write_json({"pairs": drawn}, LEARNT, f"{pair}.json")


def count_language_ngrams(config: PrepareConfig, work: Work, language: str, shards: list[Shard]) -> None:
    """Count the n-grams of a source language."""
    work.check_owner()
    sample = draw_sample(work.open_rows(shards), _NGRAM_SAMPLE)
    # Each sentence once: it may have several translations, or be repeated in a corpus.
    sentences = dict(zip(sample["source"].to_pylist(), each_words_as_text(sample, "source"), strict=True))
    learn_ngrams(sentences.values(), config=config.entities, language=language).save(work.ngrams_path(language))


def make_samples(config: PrepareConfig, work: Work, shards: list[Shard]) -> None:
    """Make the samples of all remaining shards."""
    made = work.names(MADE)
    remaining = [shard for shard in shards if shard.name not in made]
    if not remaining:
        return
    pair_rows = Counter[str]()
    for shard in shards:
        pair_rows[shard.pair] += shard.rows
    gpus = int(ray.cluster_resources().get("GPU", 0)) if aligner_class(config.aligner).uses_encoder else 0
    per_block = math.ceil(len(remaining) / _MAX_BLOCKS)
    blocks = [_shard_table(remaining[first : first + per_block]) for first in range(0, len(remaining), per_block)]
    actors = min(len(blocks), _cpus(with_gpus=gpus > 0))
    made_shards = map_with_retries(
        ray.data.from_arrow(blocks),
        SampleMaker,
        batch_size=1,
        num_cpus=1,
        fn_constructor_args=(config, work),
        fn_constructor_kwargs={"pair_rows": pair_rows},
        num_gpus=1 / math.ceil(actors / gpus) if gpus else 0,  # an actor spends most of its time in spaCy
        # More actors if nodes join.
        compute=ActorPoolStrategy(
            min_size=1, initial_size=actors, max_size=len(blocks), max_tasks_in_flight_per_actor=1
        ),
    )
    progress = Progress("making samples", total=sum(shard.rows for shard in remaining))
    for row in made_shards.iter_rows():
        progress.add(row["rows"])


def _shard_table(shards: list[Shard]) -> pa.Table:
    return pa.Table.from_pylist([shard._asdict() for shard in shards])


def _cpus(*, with_gpus: bool = False) -> int:
    """Return the CPUs of the cluster, or of its nodes with GPUs; at least 1, for autoscaling clusters."""
    nodes = node_resources()
    return max(1, int(sum(node.get("CPU", 0) for node in nodes if node.get("GPU", 0) or not with_gpus)))
