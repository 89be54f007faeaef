"""Last stage of preparation: turn each shard of cleaned rows into a file of samples and a file of rejects."""

import hashlib
from functools import cached_property
from typing import TypedDict

import pyarrow as pa
import pyarrow.compute as pc

from clism_core.preparation.alignment.aligner import Aligner, aligner_class
from clism_core.preparation.alignment.pharaoh import format_links, parse_links
from clism_core.preparation.config import PrepareConfig
from clism_core.preparation.deduplication import DUPLICATES_SCHEMA
from clism_core.preparation.entities import EntityFinder
from clism_core.preparation.entities.stop_words import content_words, stop_words
from clism_core.preparation.manifest import ListedFile, reject_file, sample_file
from clism_core.preparation.report.examples import drop_examples
from clism_core.preparation.schema import (
    REJECT_SCHEMA,
    SAMPLE_SCHEMA,
    RejectReason,
    replace_column,
    words_as_text,
    words_of,
)
from clism_core.preparation.source_hash import add_source_hash
from clism_core.preparation.spans import Candidate, project
from clism_core.preparation.staging import Shard, Work
from clism_core.preparation.statistics import BlockStatistics, block_statistics
from clism_core.utils import storage
from clism_core.utils.arrow import open_parquet_dataset, parquet_bytes

MADE = "shards"
"""Folder of the results (`Made`) of finished shards."""


class SampleMaker:
    """Actor that finds spans and their answers; it loads the spaCy pipeline and the aligner once."""

    def __init__(self, config: PrepareConfig, work: Work, *, pair_rows: dict[str, int]) -> None:
        self._config = config
        self._work = work
        self._pair_rows = pair_rows
        self._aligners: dict[str, Aligner] = {}  # for the most recent language pair only

    def __call__(self, batch: pa.Table) -> pa.Table:
        """Make the samples of the shards in `batch`, whose columns are the fields of `Shard`; return their rows."""
        for shard in batch.to_pylist():
            self.make(Shard(**shard))
        return batch.select(["rows"])

    @cached_property
    def _entities(self) -> EntityFinder:
        # Loaded at the first shard, because Ray does not pass on exceptions of a constructor.
        languages = {corpus.source_lang for corpus in self._config.corpora}
        ngrams = {language: self._work.ngrams_path(language) for language in languages}
        return EntityFinder(self._config.entities, ngrams=ngrams)

    def make(self, shard: Shard) -> None:
        """Write the samples and rejects of a shard, then its `Made` file, which marks the shard as finished."""
        self._work.check_owner()
        rows = mark_duplicates(self._work.read_rows(shard.name), self._work.duplicates_path(shard.pair))
        rows = self._entities(rows)
        if not aligner_class(self._config.aligner).is_precomputed:
            rows = self._align(rows, shard.pair)
        config = self._config
        rows = add_spans(rows, max_answer_words=config.max_answer_words, partial_answers=config.partial_answers)
        made = write_shard(rows, shard.name, self._config.output)
        statistics = made["statistics"]
        drop_examples(
            statistics["examples"],
            rows=self._pair_rows[shard.pair],
            part_rows=statistics["rows"],
            part_samples=statistics["samples"],
            part_rejects=statistics["rejects"],
        )
        self._work.write_json(made, MADE, f"{shard.name}.json")

    def _align(self, rows: pa.Table, pair: str) -> pa.Table:
        """Fill in `alignment` for rows that are not rejected yet."""
        places = pc.indices_nonzero(pc.is_null(rows["reason"]))
        live = rows.take(places)
        links = self._aligner(pair).align(words_as_text(live, "source"), words_as_text(live, "target"))
        alignment: list[object] = [None] * rows.num_rows
        for place, row_links in zip(places.to_pylist(), links, strict=True):
            alignment[place] = format_links(row_links)
        return replace_column(rows, "alignment", alignment)

    def _aligner(self, pair: str) -> Aligner:
        if pair not in self._aligners:
            aligner = self._config.aligner
            learnt = self._work.read_learnt(pair)
            self._aligners = {pair: aligner_class(aligner)(aligner, learnt)}
        return self._aligners[pair]


def mark_duplicates(rows: pa.Table, path: str) -> pa.Table:
    """Set the reason `duplicate` on rows whose ids are in the sorted Parquet file `path`."""
    store, inner = storage.filesystem(path)
    first, last = rows["sample_id"][0].as_py(), rows["sample_id"][-1].as_py()
    within = (pc.field("sample_id") >= first) & (pc.field("sample_id") <= last)
    duplicates = open_parquet_dataset(inner, schema=DUPLICATES_SCHEMA, store=store)
    ids = duplicates.to_table(filter=within)["sample_id"]
    is_duplicate = pc.is_in(rows["sample_id"], value_set=ids.combine_chunks())
    reasons = pc.if_else(is_duplicate, pa.scalar(str(RejectReason.DUPLICATE)), rows["reason"])
    return rows.set_column(rows.schema.get_field_index("reason"), rows.schema.field("reason"), reasons)


def add_spans(table: pa.Table, *, max_answer_words: int, partial_answers: bool) -> pa.Table:
    """Fill in `spans` and `partial_answers` of rows that are not rejected yet; reject those without an answer.

    All rows of `table` are of the same language pair.
    """
    stops = frozenset() if partial_answers or not table.num_rows else stop_words(table["source_lang"][0].as_py())
    reasons = table["reason"].to_pylist()
    spans: list[object] = [None] * table.num_rows
    partial: list[object] = [None] * table.num_rows
    columns = zip(
        table["source"].to_pylist(),
        table["target"].to_pylist(),
        words_of(table["source_words"]),
        words_of(table["target_words"]),
        table["alignment"].to_pylist(),
        table["candidates"].to_pylist(),
        strict=True,
    )
    for place, (source, target, source_words, target_words, alignment, candidates) in enumerate(columns):
        if reasons[place] is not None:
            continue
        found, partial[place] = project(
            [Candidate(**candidate) for candidate in candidates],
            source_words=source_words,
            target_words=target_words,
            target=target,
            links=parse_links(alignment) or (),
            max_answer_words=max_answer_words,
            content_words=content_words([source[start:end] for start, end in source_words], stops=stops),
        )
        spans[place] = [span._asdict() for span in found]
        if not found:
            reasons[place] = RejectReason.NO_ANSWER
    table = replace_column(replace_column(table, "spans", spans), "partial_answers", partial)
    return replace_column(table, "reason", reasons)


class Made(TypedDict):
    """Result of a shard."""

    statistics: BlockStatistics
    files: dict[str, ListedFile]
    """The file of samples and the file of rejects, by path relative to the output, unless there are none."""
    markup: int
    """Number of rows from which the residue of markup was removed."""
    partial_answers: int
    """Number of spans that were left out because their answers would be partial."""


def write_shard(rows: pa.Table, name: str, output: str) -> Made:
    """Write the samples and the rejects among `rows`, if any, to files of this name."""
    is_sample = pc.is_null(rows["reason"])
    samples = rows.filter(is_sample).select(SAMPLE_SCHEMA.names).cast(SAMPLE_SCHEMA)
    rejects = rows.filter(pc.invert(is_sample)).select(REJECT_SCHEMA.names).cast(REJECT_SCHEMA)
    files: dict[str, ListedFile] = {}
    for file, table in ((sample_file(name), add_source_hash(samples)), (reject_file(name), rejects)):
        path = storage.join(output, file)
        if not table.num_rows:
            storage.delete(path)  # from an earlier attempt: an aligner without a seed may give other results
            continue
        content = parquet_bytes(table)
        storage.write_bytes(path, content)
        digest = hashlib.sha256(content).hexdigest()
        files[file] = ListedFile(rows=table.num_rows, bytes=len(content), sha256=digest)
    return Made(
        statistics=block_statistics(samples, rejects),
        files=files,
        markup=pc.sum(rows["markup"], min_count=0).as_py(),
        partial_answers=pc.sum(rows["partial_answers"], min_count=0).as_py(),
    )
