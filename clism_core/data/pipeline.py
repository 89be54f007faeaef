"""The stages of `prepare`, by Ray Data: read and clean the corpora, learn from the whole, make samples.

Each stage writes shards, and passes over those that are there already: a run that was broken off goes on.
"""

import logging
import tempfile
from collections import defaultdict
from functools import partial
from pathlib import Path
from typing import TypedDict

import pyarrow as pa
import ray
from ray.data import ActorPoolStrategy

from clism_core import storage
from clism_core.data.alignment.aligner import learns, uses_encoder
from clism_core.data.alignment.eflomal import learn_priors
from clism_core.data.config import PrepareConfig
from clism_core.data.entities import learn_ngrams
from clism_core.data.learning import draw_sample, write_duplicates
from clism_core.data.making import MADE, SampleMaker
from clism_core.data.progress import Progress
from clism_core.data.reading import RawShards, clean_shard, shard_name
from clism_core.data.schema import words_as_text
from clism_core.data.work import CLEANED, LEARNT, NGRAMS, Shard, Work

logger = logging.getLogger(__name__)

_READER_CPUS = 0.01  # readers always find a place beside the cleaning, or each would wait for the other for ever
_CLEANER_CPUS = 0.5
_LEARNER_CPUS = 2  # eflomal's two directions
_NGRAM_SAMPLE = 200_000  # sentence pairs that the n-grams of a language are counted in


class CorpusRows(TypedDict):
    """What was read of a corpus: its shards as (first row, rows), and the rows beyond its cap."""

    shards: list[tuple[int, int]]
    beyond_cap: int


def clean_corpora(config: PrepareConfig, work: Work) -> list[CorpusRows]:
    """Read the corpora and write their rows, cleaned and cut into words; return what was read of each."""
    place = "corpora/{:02d}.json".format
    known: dict[int, CorpusRows | None] = {
        number: work.read_json(place(number)) for number in range(len(config.corpora))
    }
    unread = {number: config.corpora[number] for number, read in known.items() if read is None}
    if unread:
        raw = RawShards(unread, rows_per_shard=config.rows_per_file, cleaned=work.names(CLEANED))
        shards = ray.data.read_datasource(raw, override_num_blocks=len(unread), num_cpus=_READER_CPUS).map_batches(
            partial(_clean_shards, config=config), batch_size=1, batch_format="pyarrow", num_cpus=_CLEANER_CPUS
        )
        shards.context.target_max_block_size = 1  # bytes: every shard is a block, to be cleaned beside the others
        shards.context.enable_progress_bars = False
        progress = Progress("reading")
        found = {number: CorpusRows(shards=[], beyond_cap=0) for number in unread}
        for shard in shards.iter_rows():
            corpus = found[shard["corpus"]]
            if shard["first_row"] is None:
                corpus["beyond_cap"] = shard["rows"]
            else:
                corpus["shards"].append((shard["first_row"], shard["rows"]))
                progress.add(shard["rows"])
        for number, corpus in found.items():
            corpus["shards"].sort()
            work.write_json(corpus, place(number))
            known[number] = corpus
    return [read for read in known.values() if read is not None]


def _clean_shards(batch: pa.Table, *, config: PrepareConfig) -> pa.Table:
    work = Work(config.output)
    for shard in batch.to_pylist():
        if shard["raw"] is not None:
            corpus = config.corpora[shard["corpus"]]
            rows = clean_shard(
                shard["raw"],
                first_row=shard["first_row"],
                corpus=corpus,
                number=shard["corpus"],
                cleaning=config.cleaning,
                given_alignment=config.aligner.kind == "pharaoh",
            )
            name = shard_name(corpus, number=shard["corpus"], first_row=shard["first_row"])
            work.write_rows(name, rows)
    return batch.drop_columns(["raw"])


def shards_of(config: PrepareConfig, read: list[CorpusRows]) -> list[Shard]:
    """Return all shards, in the order of the corpora and of their rows."""
    return [
        Shard(shard_name(corpus, number=number, first_row=first_row), number, corpus.pair, rows)
        for number, (corpus, part) in enumerate(zip(config.corpora, read, strict=True))
        for first_row, rows in part["shards"]
    ]


def learn(config: PrepareConfig, work: Work, shards: list[Shard]) -> None:
    """Find the duplicates of each language pair, and learn of the whole what its shards cannot tell: side by side."""
    cpus = min(_LEARNER_CPUS, max(node["Resources"].get("CPU", 0) for node in ray.nodes()))
    learn_pair = ray.remote(_learn_pair).options(num_cpus=cpus, scheduling_strategy="SPREAD")
    learn_language = ray.remote(_learn_language).options(num_cpus=1, scheduling_strategy="SPREAD")
    by_pair, by_language = defaultdict(list), defaultdict(list)
    for shard in shards:
        by_pair[shard.pair].append(shard)
        by_language[config.corpora[shard.corpus].source_lang].append(shard)
    known = work.names(LEARNT)
    tasks = [learn_pair.remote(config, pair, part) for pair, part in by_pair.items() if pair not in known]
    if config.entities.span_kind == "ngrams":
        known = work.names(NGRAMS)
        tasks += [learn_language.remote(config, name, part) for name, part in by_language.items() if name not in known]
    if tasks:
        logger.info("learning from the whole of %s: duplicates, and what aligns its words", ", ".join(by_pair))
    ray.get(tasks)


def _learn_pair(config: PrepareConfig, pair: str, shards: list[Shard]) -> None:
    work = Work(config.output)
    rows = work.rows_of(shards)
    with tempfile.TemporaryDirectory(prefix="clism-") as folder:
        write_duplicates(rows, Path(folder, f"{pair}.parquet"))
        storage.upload_folder(Path(folder), work.path("duplicates"))
    if learns(config.aligner):
        sample = draw_sample(rows, config.aligner.train_pairs)
        sources, targets = words_as_text(sample, "source"), words_as_text(sample, "target")
        storage.write_bytes(work.priors_path(pair), learn_priors(sources, targets, seed=config.aligner.seed))
    work.write_json({}, LEARNT, f"{pair}.json")


def _learn_language(config: PrepareConfig, language: str, shards: list[Shard]) -> None:
    work = Work(config.output)
    sample = draw_sample(work.rows_of(shards), _NGRAM_SAMPLE)
    # A sentence may have several translations, and a corpus the same sentence several times.
    sentences = dict(zip(sample["source"].to_pylist(), words_as_text(sample, "source"), strict=True))
    learn_ngrams(sentences.values(), config=config.entities, language=language).save(work.ngrams_path(language))


def make_samples(config: PrepareConfig, work: Work, shards: list[Shard]) -> None:
    """Make the samples of all shards that are not made yet."""
    made = work.names(MADE)
    left = [shard for shard in shards if shard.name not in made]
    if not left:
        return
    pair_rows = {pair: sum(shard.rows for shard in shards if shard.pair == pair) for pair in {s.pair for s in shards}}
    resources = ray.cluster_resources()
    actors = min(len(left), max(1, int(resources.get("CPU", 1))))
    made_shards = ray.data.from_arrow([pa.table({"shard": [number]}) for number in range(len(left))]).map_batches(
        SampleMaker,
        fn_constructor_args=(config,),
        fn_constructor_kwargs={"shards": left, "pair_rows": pair_rows},
        batch_size=1,
        batch_format="pyarrow",
        num_cpus=1,
        num_gpus=_gpu_share(config, gpus=resources.get("GPU", 0), actors=actors),
        compute=ActorPoolStrategy(size=actors, max_tasks_in_flight_per_actor=1),
    )
    made_shards.context.enable_progress_bars = False
    progress = Progress("making samples", total=sum(shard.rows for shard in left))
    for shard in made_shards.iter_rows():
        progress.add(shard["rows"])


def _gpu_share(config: PrepareConfig, *, gpus: float, actors: int) -> float:
    """Return the share of a GPU that an actor gets: it is busy with spaCy for most of the time."""
    if not uses_encoder(config.aligner) or not gpus:
        return 0
    return min(1.0, int(1000 * gpus / actors) / 1000)  # Ray counts in ten-thousandths
