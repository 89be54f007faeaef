"""Held-out samples: which source sentences are held out, and their samples for the evaluation."""

from __future__ import annotations

import heapq
import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import ray
from annotated_types import Ge, Lt

from clism_core.preparation.source_hash import SOURCE_HASH
from clism_core.pretraining.encoding import SAMPLE_COLUMNS
from clism_core.pretraining.mixture import DataSet
from clism_core.pretraining.sample_files import (
    REMEDY,
    TASK_CPUS,
    add_id_prefix,
    folder_names,
    read_file,
    read_files,
    read_samples,
    sample_files,
)
from clism_core.utils.digests import text_hash
from clism_core.utils.errors import InputError
from clism_core.utils.language_pair import LanguagePair

logger = logging.getLogger(__name__)

HELD_OUT_COLUMNS = [*SAMPLE_COLUMNS, "source_words", "target_words", "alignment", "origin"]
_CANDIDATE_COLUMNS = ["sample_id", "source_lang", "target_lang"]
_HASH_RANGE = 2**64
Hashes = npt.NDArray[np.uint64]


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
            f"--held_out.origins {missing}: no sample of {folder_names(data_sets)} has these origins; give origins "
            "that are listed in the report of the prepared data"
        )
    return HeldOutSentences(config, np.unique(np.concatenate(hashes)))


def load_held_out(data_sets: Sequence[DataSet], sentences: HeldOutSentences) -> list[dict[str, Any]]:
    """Return the held-out samples, at most `max_samples` per language pair, sorted by id.

    Samples whose source or target has no words are left out, with a warning: there is nothing to find in them.

    Raises:
        InputError: if no sample is held out, or none of them has words.
    """
    config = sentences.config
    candidates: list[dict[str, Any]] = []
    for data_set in data_sets:
        set_candidates = read_files(sample_files(data_set), _held_out_candidates, sentences, data_set.id_prefix)
        candidates += set_candidates.take_all()
    if not candidates:
        raise InputError(
            f"--held_out: no sample of {folder_names(data_sets)} is held out with fraction {config.fraction} and "
            f"origins {config.origins}; raise the fraction, or give origins that the data contains"
        )
    chosen = _choose(candidates, config.max_samples)
    ids = pa.array([row["sample_id"] for row in chosen], pa.string())
    rows: list[dict[str, Any]] = []
    for data_set in data_sets:
        files = set(sample_files(data_set)) & {row["file"] for row in chosen}
        if files:
            rows += read_files(sorted(files), _read_chosen, ids, data_set.id_prefix).take_all()
    return with_words(sorted(rows, key=lambda row: str(row["sample_id"])), data_sets)


def with_words(rows: list[dict[str, Any]], data_sets: Sequence[DataSet]) -> list[dict[str, Any]]:
    """Return the rows that have words on both sides, and warn about the others; raise `InputError` if none is left."""
    kept, without = list[dict[str, Any]](), list[dict[str, Any]]()
    for row in rows:
        (kept if row["source_words"] and row["target_words"] else without).append(row)
    if without:
        first = without[0]["sample_id"]
        left_out = f"{len(without):,} of {len(rows):,} held-out samples have no words, such as {first}"
        if not kept:
            raise InputError(f"--held_out: {left_out}, in {folder_names(data_sets)}; {REMEDY}")
        logger.warning("%s; they are left out of the evaluation", left_out)
    return kept


def _held_out_candidates(batch: pa.Table, sentences: HeldOutSentences, id_prefix: str) -> Iterator[pa.Table]:
    """Yield ids, languages and file of the held-out samples that may be among the `max_samples` of a language pair."""
    held_out = (sentences.split(table)[0] for table in read_file(batch, [*_CANDIDATE_COLUMNS, SOURCE_HASH]))
    table = pa.concat_tables([add_id_prefix(each, id_prefix).select(_CANDIDATE_COLUMNS) for each in held_out])
    (file,) = batch["file"].to_pylist()
    kept = [row | {"file": file} for row in _choose(table.to_pylist(), sentences.config.max_samples)]
    yield pa.Table.from_pylist(kept, pa.schema([(name, pa.string()) for name in (*_CANDIDATE_COLUMNS, "file")]))


def _read_chosen(batch: pa.Table, ids: pa.Array, id_prefix: str) -> Iterator[pa.Table]:
    for table in read_file(batch, HELD_OUT_COLUMNS):
        rows = add_id_prefix(table, id_prefix)
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
