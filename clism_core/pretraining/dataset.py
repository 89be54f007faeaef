"""Training data from prepared data: held-out samples are split off, all others are tokenized once into Ray's object
store."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Annotated, Any, Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import ray
from annotated_types import Ge, Lt
from transformers import PreTrainedTokenizerBase

from clism_core.cluster.ray_data import configure_execution
from clism_core.model.tokenizer import TextTokenizer
from clism_core.preparation.manifest import SAMPLES
from clism_core.preparation.source_hash import SOURCE_HASH, add_source_hash
from clism_core.preparation.spans import NGRAM, NOUN_CHUNK
from clism_core.pretraining.encoding import SAMPLE_COLUMNS, encode_table
from clism_core.pretraining.mixture import FIELD, DataSet
from clism_core.training.data.indexed_rows import IndexedRows
from clism_core.training.data.sampler import Integers
from clism_core.utils.digests import text_hash
from clism_core.utils.errors import InputError
from clism_core.utils.language_pair import LanguagePair
from clism_core.utils.storage import filesystem, join, list_files

HELD_OUT_COLUMNS = [*SAMPLE_COLUMNS, "source_words", "target_words", "alignment", "origin"]
_CANDIDATE_COLUMNS = ["sample_id", "source_lang", "target_lang"]
Hashes = npt.NDArray[np.uint64]
TrainedSpans = Literal["all", "entities", "noun_chunks"]
"""Kind of the spans that are used in training."""

_HASH_RANGE = 2**64
TASK_CPUS = 0.5
"""CPUs per task; a fraction, so that reading and tokenizing can run concurrently on one core."""
ROWS_AT_ONCE = 1024
"""Samples per read of a file, which are tokenized together."""
BLOCK_BYTES = 4 * 2**20
"""Block size, about 10,000 samples per task. Ray's default of 128 MiB would make a typical data set a single task."""


@dataclass
class HeldOutConfig:
    """Held-out samples, which are used for evaluation during training instead of for training."""

    fraction: Annotated[float, Ge(0), Lt(1)] = 0.01
    """Share of the source sentences that is held out, by a hash of the normalised sentence, so that all translations of
    a sentence are on the same side of the split."""
    origins: list[str] = field(default_factory=list)
    """Origins that are held out as a whole, in addition to the fraction. Their source sentences are also held out
    wherever they occur in other origins."""
    max_samples: Annotated[int, Ge(1)] = 300
    """Maximum number of held-out samples per language pair in an evaluation, selected by a hash of their ids from all
    data sets, independently of the weights."""


@dataclass(frozen=True)
class EncodedData(IndexedRows):
    """Training samples in the object store: tables with `ENCODED_SCHEMA`; a length is the sum of source and target.

    The ordinal of a sample is its position in the order of data sets and, within a data set, of ids.
    """

    pair_codes: Integers  # [N] indices into language_pairs
    set_numbers: Integers  # [N] numbers of the data sets
    language_pairs: list[LanguagePair]
    spans: int
    unencodable_spans: int


@dataclass(frozen=True)
class HeldOutSentences:
    """Held-out source sentences; `origin_hashes` are the hashes of the sentences of held-out origins."""

    config: HeldOutConfig
    origin_hashes: Hashes

    def split(self, table: pa.Table) -> tuple[pa.Table, pa.Table]:
        """Return the held-out and the other rows of a table with the column `source_hash`."""
        hashes = table[SOURCE_HASH].to_numpy()
        mask = (hashes < np.uint64(self.config.fraction * _HASH_RANGE)) | np.isin(hashes, self.origin_hashes)
        return table.filter(pa.array(mask)), table.filter(pa.array(~mask))


def find_held_out(data_sets: Sequence[DataSet], config: HeldOutConfig) -> HeldOutSentences:
    """Find the held-out source sentences, the same ones for all data sets; reads held-out origins on the cluster.

    Raises:
        InputError: if no data set has samples of one of the origins.
    """
    if not config.origins:
        return HeldOutSentences(config, np.empty(0, dtype=np.uint64))

    def hash_origins(table: pa.Table) -> pa.Table:
        kept = table.filter(pc.is_in(table["origin"], value_set=pa.array(config.origins, pa.string())))
        return kept.select([SOURCE_HASH, "origin"])

    hashes, origins = [np.empty(0, dtype=np.uint64)], set[str]()
    for data_set in data_sets:
        rows = read_samples(data_set, [SOURCE_HASH, "origin"])
        hashed = rows.map_batches(hash_origins, batch_format="pyarrow", batch_size=None, num_cpus=TASK_CPUS)
        tables = [table for table in ray.get(hashed.to_arrow_refs()) if table.num_rows]
        hashes += [table[SOURCE_HASH].to_numpy() for table in tables]
        origins |= {origin for table in tables for origin in pc.unique(table["origin"]).to_pylist()}
    if missing := [origin for origin in config.origins if origin not in origins]:
        raise InputError(
            f"--held_out.origins {missing}: no sample of {_folders(data_sets)} has these origins; give origins that "
            "are listed in the report of the prepared data"
        )
    return HeldOutSentences(config, np.unique(np.concatenate(hashes)))


def read_samples(data_set: DataSet, columns: list[str]) -> ray.data.Dataset:
    """Return the samples of a prepared data set, with their stored ids.

    `source_hash` is computed for data of earlier versions, which do not contain it.

    Samples are read by tasks only, so that blocks of a lost node can be read again; `ray.data.read_parquet` uses actors
    to inspect the files, which are lost with their node.
    """
    return _read_files(sample_files(data_set), _read_file, columns)


def sample_files(data_set: DataSet) -> list[str]:
    """Return the sample files of a prepared data set."""
    return [file for file in list_files(join(data_set.folder, SAMPLES)) if file.endswith(".parquet")]


def _read_files(files: Sequence[str], read: Callable[..., Iterator[pa.Table]], *arguments: object) -> ray.data.Dataset:
    """Return the rows that `read` yields, given a table with one file in the column `file`, and the arguments."""
    blocks = [pa.table({"file": [file]}) for file in files]
    rows = configure_execution(
        ray.data.from_blocks(blocks).map_batches(
            read, fn_args=arguments, batch_format="pyarrow", batch_size=1, num_cpus=TASK_CPUS
        )
    )
    rows.context.target_max_block_size = BLOCK_BYTES
    return rows


def _read_file(batch: pa.Table, columns: list[str]) -> Iterator[pa.Table]:
    (file,) = batch["file"].to_pylist()
    store, path = filesystem(file)
    with store.open_input_file(path) as stream:
        parquet = pq.ParquetFile(stream)
        lacks_hash = SOURCE_HASH in columns and SOURCE_HASH not in parquet.schema_arrow.names
        stored = [*{"source" if lacks_hash and name == SOURCE_HASH else name: None for name in columns}]

        def complete(table: pa.Table) -> pa.Table:
            return (add_source_hash(table) if lacks_hash else table).select(columns)

        yield complete(parquet.schema_arrow.empty_table())  # a table even if the file has no rows
        for rows in parquet.iter_batches(batch_size=ROWS_AT_ONCE, columns=stored):
            yield complete(pa.Table.from_batches([rows]))


def _add_id_prefix(table: pa.Table, id_prefix: str) -> pa.Table:
    """Return `table` with ids that are unique among the data sets of the run."""
    ids = pc.binary_join_element_wise(id_prefix, table["sample_id"], "")
    return table.set_column(table.schema.get_field_index("sample_id"), "sample_id", ids)


def load_held_out(data_sets: Sequence[DataSet], sentences: HeldOutSentences) -> list[dict[str, Any]]:
    """Return the held-out samples, at most `max_samples` per language pair, sorted by id.

    Raises:
        InputError: if no sample is held out.
    """
    config = sentences.config
    candidates: list[dict[str, Any]] = []
    for data_set in data_sets:
        set_candidates = _read_files(sample_files(data_set), _held_out_candidates, sentences, data_set.id_prefix)
        candidates += set_candidates.take_all()
    if not candidates:
        raise InputError(
            f"--held_out: no sample of {_folders(data_sets)} is held out with fraction {config.fraction} and origins "
            f"{config.origins}; raise the fraction, or give origins that the data contains"
        )
    chosen = _choose(candidates, config.max_samples)
    ids = pa.array([row["sample_id"] for row in chosen], pa.string())
    rows: list[dict[str, Any]] = []
    for data_set in data_sets:
        files = set(sample_files(data_set)) & {row["file"] for row in chosen}
        if files:
            rows += _read_files(sorted(files), _read_chosen, ids, data_set.id_prefix).take_all()
    return sorted(rows, key=lambda row: str(row["sample_id"]))


def _held_out_candidates(batch: pa.Table, sentences: HeldOutSentences, id_prefix: str) -> Iterator[pa.Table]:
    """Yield ids, languages and file of the held-out samples that may be among the `max_samples` of a language pair."""
    held_out = (sentences.split(table)[0] for table in _read_file(batch, [*_CANDIDATE_COLUMNS, SOURCE_HASH]))
    table = pa.concat_tables([_add_id_prefix(each, id_prefix).select(_CANDIDATE_COLUMNS) for each in held_out])
    (file,) = batch["file"].to_pylist()
    kept = [row | {"file": file} for row in _choose(table.to_pylist(), sentences.config.max_samples)]
    yield pa.Table.from_pylist(kept, pa.schema([(name, pa.string()) for name in (*_CANDIDATE_COLUMNS, "file")]))


def _read_chosen(batch: pa.Table, ids: pa.Array, id_prefix: str) -> Iterator[pa.Table]:
    for table in _read_file(batch, HELD_OUT_COLUMNS):
        rows = _add_id_prefix(table, id_prefix)
        yield rows.filter(pc.is_in(rows["sample_id"], value_set=ids))


def _choose(rows: Sequence[dict[str, Any]], count: int) -> list[dict[str, Any]]:
    """Return `count` rows per language pair: those with the smallest hashes of their ids."""
    by_pair: dict[LanguagePair, list[dict[str, Any]]] = {}
    for row in rows:
        by_pair.setdefault(LanguagePair.of(row), []).append(row)
    return [
        row
        for group in by_pair.values()
        for row in heapq.nsmallest(count, group, key=lambda row: text_hash(row["sample_id"]))
    ]


def encode_training_data(
    data_sets: Sequence[DataSet],
    held_out: HeldOutSentences,
    tokenizer: PreTrainedTokenizerBase,
    *,
    min_samples: int,
    max_samples: int | None = None,
    span_kind: TrainedSpans = "all",
) -> EncodedData:
    """Tokenize all samples that are not held out, on the cluster, and index them.

    Args:
        data_sets: prepared data sets.
        held_out: source sentences whose samples are omitted.
        tokenizer: tokenizer of the model.
        min_samples: minimum number of training samples.
        max_samples: number of samples to draw; None: all.
        span_kind: kind of the spans to keep.

    Raises:
        InputError: if there are fewer than `min_samples` or `max_samples` training samples, none in one of several data
            sets, or no spans of the kind.
    """
    text_tokenizer = ray.put(TextTokenizer(tokenizer))

    def encode_blocks(data_set: DataSet) -> list[ray.ObjectRef[pa.Table]]:
        id_prefix = data_set.id_prefix

        def encode(table: pa.Table) -> pa.Table:
            kept = held_out.split(table)[1].select(SAMPLE_COLUMNS)
            return encode_table(_get(text_tokenizer), _add_id_prefix(select_spans(kept, span_kind), id_prefix))

        # Tasks instead of actors, so that the blocks of a lost node can be computed again.
        samples = read_samples(data_set, [*SAMPLE_COLUMNS, SOURCE_HASH])
        # With a batch size, Ray would bundle the blocks of several files into one task.
        encoded = samples.map_batches(encode, batch_format="pyarrow", batch_size=None, num_cpus=TASK_CPUS)
        return list(encoded.materialize().to_arrow_refs())

    data = _index([encode_blocks(data_set) for data_set in data_sets], max_samples)
    if max_samples is not None and len(data) < max_samples:
        raise InputError(
            f"--max_samples {max_samples}: {_folders(data_sets)} has {len(data)} samples to train on; lower it, or "
            "give null for all"
        )
    if len(data) < min_samples:
        raise InputError(
            f"{FIELD} {_folders(data_sets)}: {len(data)} samples to train on, fewer than a global batch of "
            f"{min_samples}; prepare more data or lower --global_batch_size"
        )
    if empty := [data_set for number, data_set in enumerate(data_sets) if number not in data.set_numbers]:
        raise InputError(
            f"{FIELD} {_folders(empty)}: no sample to train on: all are held out or, with --max_samples, none is "
            "drawn; remove this data set"
        )
    if span_kind != "all" and not data.spans:
        raise InputError(
            f"--span_kind {span_kind}: {_folders(data_sets)} has no spans of this kind; prepare data that has them, or "
            "give --span_kind all"
        )
    return data


def select_spans(table: pa.Table, kind: TrainedSpans) -> pa.Table:
    """Return prepared samples with their spans of one kind: noun chunks and n-grams are recognised by their labels, all
    other spans are entities."""
    if kind == "all":
        return table
    labels = {NOUN_CHUNK} if kind == "noun_chunks" else {NOUN_CHUNK, NGRAM}
    selected = [
        [span for span in spans if (span["label"] in labels) == (kind == "noun_chunks")]
        for spans in table["spans"].to_pylist()
    ]
    place = table.schema.get_field_index("spans")
    return table.set_column(place, "spans", pa.array(selected, table.schema.field(place).type))


def _folders(data_sets: Sequence[DataSet]) -> str:
    return ", ".join(data_set.folder for data_set in data_sets)


@lru_cache(maxsize=1)
def _get(text_tokenizer: ray.ObjectRef[TextTokenizer]) -> TextTokenizer:
    """Fetch the tokenizer once for all tasks of a process."""
    return ray.get(text_tokenizer)


def _index(blocks_by_set: Sequence[Sequence[ray.ObjectRef[pa.Table]]], max_samples: int | None) -> EncodedData:
    """Number the samples in the order of data sets and, within a data set, of ids, independently of the blocks.

    If there are more than `max_samples`, that many are drawn, always the same ones; a smaller draw is a subset of a
    larger one.
    """
    numbered = [(number, block) for number, blocks in enumerate(blocks_by_set) for block in blocks]
    columns = ray.get([_index_columns.remote(block, number) for number, block in numbered])
    filled = [(block, part) for (_, block), part in zip(numbered, columns, strict=True) if part.num_rows]
    if not filled:
        empty = np.empty(0, dtype=np.int64)
        return EncodedData([], empty, empty, empty, empty, empty, [], 0, 0)
    parts = [part for _, part in filled]
    table = pa.concat_tables(parts)
    order = pc.sort_indices(table, [("set_number", "ascending"), ("sample_id", "ascending")]).to_numpy()
    if max_samples is not None:
        order = order[np.sort(np.random.default_rng(0).permutation(len(order))[:max_samples])]
    sizes = [part.num_rows for part in parts]
    distinct = table.group_by(["source_lang", "target_lang"]).aggregate([])
    pairs = sorted(map(LanguagePair.of, distinct.to_pylist()), key=str)
    pair_of_row = pc.binary_join_element_wise(table["source_lang"], table["target_lang"], "-")
    codes = pc.index_in(pair_of_row, value_set=pa.array([str(pair) for pair in pairs])).to_numpy()
    return EncodedData(
        blocks=[block for block, _ in filled],
        block_numbers=np.repeat(np.arange(len(sizes)), sizes)[order],
        row_numbers=np.concatenate([np.arange(size) for size in sizes])[order],
        lengths=table["length"].to_numpy().astype(np.int64)[order],
        pair_codes=codes.astype(np.int64)[order],
        set_numbers=table["set_number"].to_numpy()[order],
        language_pairs=pairs,
        spans=int(table["spans"].to_numpy()[order].sum()),
        unencodable_spans=int(table["unencodable_spans"].to_numpy()[order].sum()),
    )


# As few CPUs as the other tasks, and outside the placement group of a Ray Tune trial, which has no CPUs for it.
@ray.remote(num_cpus=TASK_CPUS, scheduling_strategy="DEFAULT")
def _index_columns(block: pa.Table, set_number: int) -> pa.Table:
    """Return the columns of a block from which the index is built."""
    lengths = pc.add(pc.list_value_length(block["source_ids"]), pc.list_value_length(block["target_ids"]))
    numbers = pa.array(np.full(block.num_rows, set_number, dtype=np.int64))
    columns = block.select(["sample_id", "source_lang", "target_lang", "unencodable_spans"])
    columns = columns.append_column("spans", pc.list_value_length(block["spans"]))
    return columns.append_column("length", lengths).append_column("set_number", numbers)
