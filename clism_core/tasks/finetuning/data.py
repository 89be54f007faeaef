"""Labelled data for fine-tuning: files read and checked, a few examples drawn, all encoded into Ray's object store."""

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
"""CPUs of a task that encodes a block: as a fraction, for machines of one core."""


@dataclass(frozen=True)
class LabelledData:
    """Examples to train on and to evaluate."""

    train: Sequence[Example]
    dev: Sequence[Example]
    counts: Mapping[str, float]
    """What was found on the way, for MLflow: `data/examples`, `data/misplaced_answers`, `data/repaired_tags`, ..."""


def load_data(config: FinetuneConfig) -> LabelledData:
    """Read the training and the development data, and draw the examples.

    Raises:
        InputError: where something cannot be read, or there are fewer examples than are to be drawn.
    """
    task, options, form = (
        config.task_object,
        config.task_options,
        {"language": config.language, "encoding": config.encoding},
    )
    train, counts = task.read_training(source_files("train", config.train), options, **form)
    dev = task.read_development(source_files("dev", config.dev), options, **form)
    return _drawn(config, train, dev, {f"data/{name}": number for name, number in counts.items()})


def _drawn(
    config: FinetuneConfig, train: Sequence[ExampleT], dev: Sequence[ExampleT], counts: Mapping[str, float]
) -> LabelledData:
    if not train:
        raise InputError("--train: nothing is left to train on; see the warnings above")
    if not dev:
        raise InputError("--dev: has no example, and models are selected by it; give files that have some")
    if config.examples is not None and config.examples > len(train):
        raise InputError(f"--examples {config.examples}: the training data has {len(train)}; lower it, or give more")
    content = config.task_object.content
    known = set(map(content, train))
    shared = sum(content(example) in known for example in dev)
    if shared:
        logger.warning(
            "--dev: %d of %d examples are in the training data, too; scores on them say little", shared, len(dev)
        )
    chosen = draw(train, config.examples, seed=config.sample_seed)
    evaluated = draw(dev, config.dev_examples, seed=0)
    logger.info(
        "%s examples to train on%s, %s to evaluate on the way",
        f"{len(chosen):,}",
        f", drawn from {len(train):,}" if len(chosen) < len(train) else "",
        f"{len(evaluated):,}",
    )
    sizes = {"data/examples": len(chosen), "data/dev_examples": len(evaluated), "data/dev_examples_in_train": shared}
    return LabelledData(chosen, evaluated, {**counts, **sizes})


def draw(examples: Sequence[ExampleT], number: int | None, *, seed: int) -> list[ExampleT]:
    """Return `number` of the examples, drawn by lot, in their order; all where it is None or there are no more.

    The lot of a seed is one order of all: of two numbers, the greater one's examples hold those of the smaller one.
    """
    if number is None or number >= len(examples):
        return list(examples)
    chosen = np.random.default_rng([seed]).permutation(len(examples))[:number]
    return [examples[place] for place in sorted(chosen)]


@dataclass(frozen=True)
class EncodedExamples:
    """The windows of the examples, and what could not be learnt from or only in part."""

    rows: IndexedRows
    counts: dict[str, int]


def encode_examples(
    examples: Sequence[Example], encode: Callable[[Any], tuple[list[Row], dict[str, int]]], schema: pa.Schema
) -> EncodedExamples:
    """Encode examples on the cluster.

    Args:
        examples: examples of one task.
        encode: makes rows of `schema` of one example, with counts of what was noticed; it is sent to Ray's tasks.
        schema: with a column `length`, in tokens.

    Raises:
        InputError: if no example has a row.
    """
    shared = ray.put(encode)
    parts = [examples[first : first + EXAMPLES_PER_BLOCK] for first in range(0, len(examples), EXAMPLES_PER_BLOCK)]
    task = _encode.options(num_cpus=TASK_CPUS, num_returns=2)
    encoded: Any = [task.remote(shared, list(part), schema) for part in parts]
    notes = ray.get([note for _, note in encoded])
    filled = [(block, lengths) for (block, _), (lengths, _) in zip(encoded, notes, strict=True) if len(lengths)]
    if not filled:
        raise InputError("--train: no example can be learnt from: none of its answers is in a window as a whole")
    counts: dict[str, int] = {}
    for _, noticed in notes:
        for name, number in noticed.items():
            counts[name] = counts.get(name, 0) + number
    sizes = [len(lengths) for _, lengths in filled]
    rows = IndexedRows(
        blocks=[block for block, _ in filled],
        block_numbers=np.repeat(np.arange(len(sizes)), sizes),
        row_numbers=np.concatenate([np.arange(size) for size in sizes]),
        lengths=np.concatenate([lengths for _, lengths in filled]),
    )
    return EncodedExamples(rows, counts)


@ray.remote(scheduling_strategy="DEFAULT")  # and not within the reservation of a trial of Ray Tune, which has no CPU
def _encode(
    encode: Callable[[Any], tuple[list[Row], dict[str, int]]], examples: list[Example], schema: pa.Schema
) -> tuple[pa.Table, tuple[np.ndarray, dict[str, int]]]:
    rows: list[Row] = []
    counts: dict[str, int] = {}
    for example in examples:
        found, noticed = encode(example)
        rows += found
        for name, number in noticed.items():
            counts[name] = counts.get(name, 0) + number
    table = pa.Table.from_pylist(rows, schema=schema)
    return table, (table["length"].to_numpy().astype(np.int64), counts)


def source_names(source: Source) -> list[str]:
    """Return what people call each of the sources."""
    return [
        entry if isinstance(entry, str) else entry.title for entry in ([source] if isinstance(source, str) else source)
    ]


def source_files(field: str, source: Source) -> Iterator[str | HubSplit]:
    """Yield the files that sources stand for, and splits of hub data sets as they are.

    Args:
        field: what the sources are, train or dev.
        source: paths, folders, globs and splits.

    Raises:
        InputError: for one that stands for no file.
    """
    for entry in [source] if isinstance(source, str) else source:
        if isinstance(entry, str):
            files = expand(entry)
            if not files:
                raise InputError(f"--{field}: {entry} stands for no file; give files that are there")
            yield from files
        else:
            yield entry


def check_sources(config: FinetuneConfig) -> None:
    """Check that the labelled data are there, without reading them.

    Raises:
        InputError: for a path that stands for no file.
    """
    for field, source in (("train", config.train), ("dev", config.dev)):
        for file in source_files(field, source):
            if isinstance(file, str) and not exists(file):
                raise InputError(f"--{field} {file}: not found; give files that are there")


def digest(examples: Iterable[Example]) -> str:
    """Return a hash of the examples in their order."""
    hashed = hashlib.blake2b(digest_size=16)
    for example in examples:
        hashed.update(repr(example).encode())
    return hashed.hexdigest()
