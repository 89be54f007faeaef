"""Training data: all samples that are not held out, tokenized once into Ray's object store."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import ray
from transformers import PreTrainedTokenizerBase

from clism_core.model.tokenizer import TextTokenizer
from clism_core.preparation.source_hash import SOURCE_HASH
from clism_core.preparation.spans import NGRAM, NOUN_CHUNK
from clism_core.pretraining.encoding import SAMPLE_COLUMNS, encode_table
from clism_core.pretraining.held_out_data import HeldOutSentences
from clism_core.pretraining.mixture import FIELD, DataSet
from clism_core.pretraining.sample_files import REMEDY, TASK_CPUS, add_id_prefix, folder_names, read_samples
from clism_core.training.data.indexed_rows import IndexedRows
from clism_core.training.data.sampler import Integers
from clism_core.utils.errors import InputError
from clism_core.utils.language_pair import LanguagePair

TrainedSpans = Literal["all", "entities", "noun_chunks"]
"""Kind of the spans that are used in training."""


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
            return encode_table(_get(text_tokenizer), add_id_prefix(select_spans(kept, span_kind), id_prefix))

        # Tasks instead of actors, so that the blocks of a lost node can be computed again.
        samples = read_samples(data_set, [*SAMPLE_COLUMNS, SOURCE_HASH])
        # With a batch size, Ray would bundle the blocks of several files into one task.
        encoded = samples.map_batches(encode, batch_format="pyarrow", batch_size=None, num_cpus=TASK_CPUS)
        return list(encoded.materialize().to_arrow_refs())

    data = _index([encode_blocks(data_set) for data_set in data_sets], max_samples)
    if max_samples is not None and len(data) < max_samples:
        raise InputError(
            f"--max_samples {max_samples}: {folder_names(data_sets)} has {len(data)} samples to train on; lower it, or "
            "give null for all"
        )
    if len(data) < min_samples:
        raise InputError(
            f"{FIELD} {folder_names(data_sets)}: {len(data)} samples to train on, fewer than a global batch of "
            f"{min_samples}; prepare more data or lower --global_batch_size"
        )
    if empty := [data_set for number, data_set in enumerate(data_sets) if number not in data.set_numbers]:
        raise InputError(
            f"{FIELD} {folder_names(empty)}: no sample to train on: all are held out or, with --max_samples, none is "
            "drawn; remove this data set"
        )
    if span_kind != "all" and not data.spans:
        raise InputError(
            f"--span_kind {span_kind}: {folder_names(data_sets)} has no spans of this kind; prepare data that has "
            "them, or give --span_kind all"
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
    _check_unique(table["sample_id"])
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


def _check_unique(sample_ids: pa.ChunkedArray) -> None:
    """Raise `InputError` if an id occurs twice: the order of the samples would not be determined."""
    if pc.count_distinct(sample_ids).as_py() == len(sample_ids):
        return
    counts = pc.value_counts(sample_ids.combine_chunks())
    repeated = counts.filter(pc.greater(counts.field("counts"), 1)).field("values")
    raise InputError(
        f"{FIELD}: {len(repeated):,} samples occur more than once, such as {repeated[0].as_py()}; {REMEDY}"
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
