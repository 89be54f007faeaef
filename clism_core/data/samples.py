"""Prepared data for training: the held-out part taken off, everything else tokenized once into Ray's object store."""

import hashlib
import unicodedata
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import ray
from transformers import PreTrainedTokenizerBase

from clism_core.data.encoding import SAMPLE_COLUMNS, encode_table
from clism_core.data.order import Integers
from clism_core.data.tokens import TextTokenizer
from clism_core.errors import InputError
from clism_core.storage import filesystem, is_local

HELD_OUT_COLUMNS = [*SAMPLE_COLUMNS, "source_words", "target_words", "alignment", "origin"]
Hashes = npt.NDArray[np.uint64]
_HASH_RANGE = 2**64
TASK_CPUS = 0.5
"""CPUs of a task: as a fraction, so that reading and tokenizing both find a place on a machine of one core."""


@dataclass
class HeldOutConfig:
    """Which samples are evaluated on the way instead of trained on."""

    fraction: float = 0.01
    """Share of the source sentences that is held out, by a hash of the normalised sentence: all translations of a
    sentence are on the same side."""
    origins: list[str] = field(default_factory=list)
    """Origins that are held out as a whole, besides; and with them their source sentences wherever else they stand."""
    max_samples: int = 300
    """Held-out samples of a language pair that an evaluation uses, drawn by a hash of their ids."""


@dataclass(frozen=True)
class EncodedData:
    """Training samples in the object store, and where each stands; an ordinal is a place in the order of ids.

    `blocks` are references to tables of `ENCODED_SCHEMA`.
    """

    blocks: "list[ray.ObjectRef[pa.Table]]"
    block_numbers: Integers  # [N] by ordinal
    row_numbers: Integers  # [N]
    lengths: Integers  # [N] tokens of source and target
    pair_codes: Integers  # [N] places in language_pairs
    language_pairs: list[str]
    unencodable_spans: int

    def __len__(self) -> int:
        return len(self.lengths)


def normalise_source(text: str) -> str:
    """Return a form of a sentence that is equal for copies that differ in case, width or white space."""
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


def source_hash(text: str) -> int:
    """Return an unsigned 64-bit hash of a normalised source sentence."""
    return _digest(normalise_source(text))


def _digest(text: str) -> int:
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big")


@dataclass(frozen=True)
class HeldOutSentences:
    """Tells which source sentences are held out; `of_origins` are the hashes of those of whole origins."""

    config: HeldOutConfig
    of_origins: Hashes

    def mask(self, sources: pa.ChunkedArray) -> npt.NDArray[np.bool_]:
        """Say of each sentence whether it is held out."""
        hashes = _source_hashes(sources)
        mask: npt.NDArray[np.bool_] = (hashes < np.uint64(self.config.fraction * _HASH_RANGE)) | np.isin(
            hashes, self.of_origins
        )
        return mask


def find_held_out(folder: str, config: HeldOutConfig) -> HeldOutSentences:
    """Look up, on the cluster, which source sentences of a prepared data set are held out."""
    if not config.origins:
        return HeldOutSentences(config, np.empty(0, dtype=np.uint64))

    def hash_origins(table: pa.Table) -> pa.Table:
        kept = table.filter(pc.is_in(table["origin"], value_set=pa.array(config.origins, pa.string())))
        return pa.table({"hash": _source_hashes(kept["source"])})

    rows = read_samples(folder, ["source", "origin"])
    hashed = rows.map_batches(hash_origins, batch_format="pyarrow", batch_size=None, num_cpus=TASK_CPUS)
    parts = [table["hash"].to_numpy() for table in ray.get(hashed.to_arrow_refs()) if table.num_rows]
    return HeldOutSentences(config, np.unique(np.concatenate([np.empty(0, dtype=np.uint64), *parts])))


def _source_hashes(sources: pa.ChunkedArray) -> Hashes:
    return np.array([source_hash(source) for source in sources.to_pylist()], dtype=np.uint64)


def read_samples(folder: str, columns: list[str]) -> "ray.data.Dataset":
    """Return the samples of a prepared data set."""
    file_system, path = filesystem(folder)
    return ray.data.read_parquet(
        f"{path}/samples",
        filesystem=None if is_local(folder) else file_system,
        num_cpus=TASK_CPUS,
    ).select_columns(columns)


def load_held_out(folder: str, sentences: HeldOutSentences) -> list[dict[str, Any]]:
    """Return the held-out samples of all language pairs, at most `max_samples` of each, in the order of their ids.

    Raises:
        InputError: if nothing is held out.
    """

    def keep(table: pa.Table) -> pa.Table:
        return table.filter(pa.array(sentences.mask(table["source"])))

    samples, config = read_samples(folder, HELD_OUT_COLUMNS), sentences.config
    rows = samples.map_batches(keep, batch_format="pyarrow", batch_size=None, num_cpus=TASK_CPUS).take_all()
    if not rows:
        raise InputError(
            f"--held_out: no sample of {folder} is held out with fraction {config.fraction} and origins "
            f"{config.origins}; raise the fraction or name origins that the data has"
        )
    by_pair: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for row in rows:
        by_pair.setdefault((row["source_lang"], row["target_lang"]), []).append(row)
    chosen = [
        row
        for group in by_pair.values()
        for row in sorted(group, key=lambda row: _digest(row["sample_id"]))[: config.max_samples]
    ]
    return sorted(chosen, key=lambda row: str(row["sample_id"]))


def encode_training_data(
    folder: str, held_out: HeldOutSentences, tokenizer: PreTrainedTokenizerBase, *, min_samples: int
) -> EncodedData:
    """Tokenize all samples that are not held out, on the cluster, and index them.

    Raises:
        InputError: if fewer than `min_samples` are left.
    """
    text_tokenizer = ray.put(TextTokenizer(tokenizer))

    def encode(table: pa.Table) -> pa.Table:
        kept = table.filter(pa.array(~held_out.mask(table["source"])))
        return encode_table(_get(text_tokenizer), kept)

    # Tasks and no actors: what a lost node held can then be made again.
    samples = read_samples(folder, SAMPLE_COLUMNS)
    encoded = samples.map_batches(encode, batch_format="pyarrow", batch_size=1024, num_cpus=TASK_CPUS).materialize()
    data = _index(encoded.to_arrow_refs())
    if len(data) < min_samples:
        raise InputError(
            f"--data {folder}: {len(data)} samples to train on, fewer than a global batch of {min_samples}; "
            "prepare more data or lower --global_batch_size"
        )
    return data


@lru_cache(maxsize=1)
def _get(text_tokenizer: "ray.ObjectRef[TextTokenizer]") -> TextTokenizer:
    """Fetch the tokenizer once for all tasks of a process."""
    return ray.get(text_tokenizer)


def _index(blocks: "list[ray.ObjectRef[pa.Table]]") -> EncodedData:
    """Number the samples in the order of their ids, whatever the blocks they lie in."""
    columns = ray.get([_index_columns.remote(block) for block in blocks])
    filled = [(block, part) for block, part in zip(blocks, columns, strict=True) if part.num_rows]
    if not filled:
        empty = np.empty(0, dtype=np.int64)
        return EncodedData([], empty, empty, empty, empty, [], 0)
    parts = [part for _, part in filled]
    table = pa.concat_tables(parts)
    order = pc.sort_indices(table["sample_id"]).to_numpy()
    sizes = [part.num_rows for part in parts]
    pairs = table["language_pair"].unique().sort()
    codes = pc.index_in(table["language_pair"], value_set=pairs).to_numpy()
    return EncodedData(
        blocks=[block for block, _ in filled],
        block_numbers=np.repeat(np.arange(len(sizes)), sizes)[order],
        row_numbers=np.concatenate([np.arange(size) for size in sizes])[order],
        lengths=table["length"].to_numpy().astype(np.int64)[order],
        pair_codes=codes.astype(np.int64)[order],
        language_pairs=pairs.to_pylist(),
        unencodable_spans=pc.sum(table["unencodable_spans"]).as_py(),
    )


@ray.remote
def _index_columns(block: pa.Table) -> pa.Table:
    """Return the columns of a block that the index is made of."""
    lengths = pc.add(pc.list_value_length(block["source_ids"]), pc.list_value_length(block["target_ids"]))
    return block.select(["sample_id", "language_pair", "unencodable_spans"]).append_column("length", lengths)
