"""Labelled data for fine-tuning: read and check files, sample few-shot examples, encode into Ray's object store."""

import hashlib
import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import pyarrow as pa
import ray

from clism_core.tasks.finetuning.config import FinetuneConfig, Source
from clism_core.tasks.hub import HubSplit
from clism_core.training.data.indexed_rows import IndexedRows, Row
from clism_core.utils.errors import InputError
from clism_core.utils.storage import exists, expand

logger = logging.getLogger(__name__)

Example = Any
"""An example of any task."""
ExampleT = TypeVar("ExampleT")

EXAMPLES_PER_BLOCK = 1000
TASK_CPUS = 0.5
"""CPUs of a Ray task that encodes a block: a fraction, for machines with one core."""


@dataclass(frozen=True)
class LabelledData:
    """Training and development examples."""

    train: Sequence[Example]
    dev: Sequence[Example]
    counts: Mapping[str, float]
    """Counts for MLflow: `data/examples`, `data/misplaced_answers`, `data/repaired_tags`, ..."""


def load_data(config: FinetuneConfig) -> LabelledData:
    """Read the training and development data, and sample few-shot examples.

    Raises:
        InputError: if a source cannot be read, or there are fewer examples than requested.
    """
    task, options, form = (
        config.task_object,
        config.task_options,
        {"language": config.language, "encoding": config.encoding},
    )
    train, counts = task.read_training(source_files("train", config.train), options, **form)
    dev = task.read_development(source_files("dev", config.dev), options, **form)
    return _sample(config, train, dev, {f"data/{name}": number for name, number in counts.items()})


def _sample(
    config: FinetuneConfig, train: Sequence[ExampleT], dev: Sequence[ExampleT], counts: Mapping[str, float]
) -> LabelledData:
    if not train:
        raise InputError("--train: no usable examples are left; see the warnings above")
    if not dev:
        raise InputError("--dev: has no examples, but is needed to select checkpoints; give files with examples")
    if config.examples is not None and config.examples > len(train):
        raise InputError(
            f"--examples {config.examples}: the training data has only {len(train)}; lower it, or give more data"
        )
    content = config.task_object.content
    if config.dev_examples is not None and config.dev_examples > len(dev):
        logger.warning("--dev_examples %d: the development data has only %d", config.dev_examples, len(dev))
    known = set(map(content, train))
    shared = sum(content(example) in known for example in dev)
    if shared:
        logger.warning(
            "--dev: %d of %d examples overlap with the training data; scores on them are not meaningful",
            *(shared, len(dev)),
        )
    chosen = draw(train, config.examples, seed=config.sample_seed)
    evaluated = draw(dev, config.dev_examples, seed=0)
    logger.info(
        "%s training examples%s, %s development examples",
        f"{len(chosen):,}",
        f" sampled from {len(train):,}" if len(chosen) < len(train) else "",
        f"{len(evaluated):,}",
    )
    sizes = {"data/examples": len(chosen), "data/dev_examples": len(evaluated), "data/dev_examples_in_train": shared}
    return LabelledData(chosen, evaluated, {**counts, **sizes})


def draw(examples: Sequence[ExampleT], number: int | None, *, seed: int) -> list[ExampleT]:
    """Return `number` random examples in their original order; all if it is None or not below the number of examples.

    A seed fixes one permutation of all examples: a larger sample contains the smaller ones of the same seed.
    """
    if number is None or number >= len(examples):
        return list(examples)
    chosen = np.random.default_rng([seed]).permutation(len(examples))[:number]
    return [examples[place] for place in sorted(chosen)]


@dataclass(frozen=True)
class EncodedExamples:
    """Encoded training inputs, and counts of truncated, repaired and omitted examples."""

    rows: IndexedRows
    examples: int
    """Number of examples that yield at least one input."""
    counts: dict[str, int]


def encode_examples(
    examples: Sequence[Example], encode: Callable[[Any], tuple[list[Row], dict[str, int]]], schema: pa.Schema
) -> EncodedExamples:
    """Encode examples on the cluster.

    Args:
        examples: examples of one task.
        encode: function from one example to rows of `schema` and counts; it is sent to Ray tasks.
        schema: schema of the rows, with a column `length`, in tokens.

    Raises:
        InputError: if no example yields a row.
    """
    shared = ray.put(encode)
    numbered = [(str(getattr(example, "id", f"example {n}")), example) for n, example in enumerate(examples, start=1)]
    parts = [numbered[first : first + EXAMPLES_PER_BLOCK] for first in range(0, len(examples), EXAMPLES_PER_BLOCK)]
    task = _encode.options(num_cpus=TASK_CPUS, num_returns=2)
    encoded: Any = [task.remote(shared, part, schema) for part in parts]
    notes = ray.get([note for _, note in encoded])
    filled = [(block, lengths) for (block, _), (lengths, *_) in zip(encoded, notes, strict=True) if len(lengths)]
    if not filled:
        raise InputError(
            f"--train: none of {len(examples):,} examples yields an input: each is too long or has no usable label; "
            "raise the max_length of the task, or give other data"
        )
    counts: dict[str, int] = {}
    for *_, block_counts in notes:
        for name, number in block_counts.items():
            counts[name] = counts.get(name, 0) + number
    sizes = [len(lengths) for _, lengths in filled]
    rows = IndexedRows(
        blocks=[block for block, _ in filled],
        block_numbers=np.repeat(np.arange(len(sizes)), sizes),
        row_numbers=np.concatenate([np.arange(size) for size in sizes]),
        lengths=np.concatenate([lengths for _, lengths in filled]),
    )
    return EncodedExamples(rows, sum(used for _, used, _ in notes), counts)


def encode_part(
    encode: Callable[[Any], tuple[list[Row], dict[str, int]]], examples: list[tuple[str, Example]], schema: pa.Schema
) -> tuple[pa.Table, tuple[np.ndarray, int, dict[str, int]]]:
    """Return the rows of some examples, given with their ids; their lengths, the number of examples with rows, counts.

    The rows have the columns of `schema`, and `sample_id`.
    """
    rows: list[Row] = []
    used, counts = 0, dict[str, int]()
    for sample_id, example in examples:
        example_rows, example_counts = encode(example)
        rows += [row | {"sample_id": sample_id} for row in example_rows]
        used += bool(example_rows)
        for name, number in example_counts.items():
            counts[name] = counts.get(name, 0) + number
    table = pa.Table.from_pylist(rows, schema=schema.append(pa.field("sample_id", pa.string())))
    return table, (table["length"].to_numpy().astype(np.int64), used, counts)


# Not in the placement group of a Ray Tune trial, which reserves no CPU.
_encode = ray.remote(scheduling_strategy="DEFAULT")(encode_part)


def source_names(source: Source) -> list[str]:
    """Return the display name of each source."""
    return [
        entry if isinstance(entry, str) else entry.title for entry in ([source] if isinstance(source, str) else source)
    ]


def source_files(field: str, source: Source) -> Iterator[str | HubSplit]:
    """Yield the files that the sources match, and splits of hub data sets unchanged.

    Args:
        field: option of the sources, train or dev.
        source: paths, folders, globs and splits.

    Raises:
        InputError: if a source matches no files.
    """
    for entry in [source] if isinstance(source, str) else source:
        if isinstance(entry, str):
            files = expand(entry)
            if not files:
                raise InputError(f"--{field}: {entry} matches no files; give existing files")
            yield from files
        else:
            yield entry


def check_sources(config: FinetuneConfig) -> None:
    """Check that the files of the labelled data exist, without reading them.

    Raises:
        InputError: if a path matches no files.
    """
    for field, source in (("train", config.train), ("dev", config.dev)):
        for file in source_files(field, source):
            if isinstance(file, str) and not exists(file):
                raise InputError(f"--{field} {file}: not found; give existing files")


def digest(examples: Iterable[Example]) -> str:
    """Return a hash of the examples, which depends on their order."""
    hashed = hashlib.blake2b(digest_size=16)
    for example in examples:
        hashed.update(repr(example).encode())
    return hashed.hexdigest()
