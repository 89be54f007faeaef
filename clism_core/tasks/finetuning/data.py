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
from clism_core.tasks.hub import HubSplit, read_hub_questions, read_hub_tagged
from clism_core.tasks.mrc.squad_format import Question, find_misplaced, for_training, read_questions
from clism_core.tasks.ner.conll_format import Sentence, TaggedFile, read_tagged
from clism_core.training.data.indexed_rows import IndexedRows, Row
from clism_core.utils.errors import InputError
from clism_core.utils.storage import expand
from clism_core.utils.text import printable

logger = logging.getLogger(__name__)

Example = Question | Sentence
ExampleT = TypeVar("ExampleT", Question, Sentence)

EXAMPLES_PER_BLOCK = 1000
TASK_CPUS = 0.5
"""CPUs of a task that encodes a block: as a fraction, for machines of one core."""


@dataclass(frozen=True)
class LabelledData:
    """What is trained on and what is evaluated: questions, or tagged sentences."""

    train: Sequence[Example]
    dev: Sequence[Example]
    counts: Mapping[str, float]
    """What was found on the way, for MLflow: `data/examples`, `data/misplaced_answers`, `data/repaired_tags`, ..."""


def load_data(config: FinetuneConfig) -> LabelledData:
    """Read the training and the development data, and draw the examples.

    Raises:
        InputError: where something cannot be read, or there are fewer examples than are to be drawn.
    """
    if config.task == "mrc":
        return _load_questions(config)
    return _load_sentences(config)


def _load_questions(config: FinetuneConfig) -> LabelledData:
    # files for training are often put together from several, and have ids twice; evaluation goes by ids
    found = [
        question
        for source in source_files("train", config.train)
        for question in _read_questions(source, config, unique_ids=False)
    ]
    usable = for_training(found)
    misplaced = find_misplaced(found)
    if misplaced:
        first = misplaced[0]
        logger.warning(
            "--train: %d answers do not stand at their offset and are left out, and with them %d questions; the first: "
            "%s should have %r at %d, where %r stands",
            *(len(misplaced), len(found) - len(usable), first.question_id, printable(first.answer.text)),
            *(first.answer.start, printable(first.found)),
        )
    dev = [
        question
        for source in source_files("dev", config.dev)
        for question in _read_questions(source, config, unique_ids=True)
    ]
    _check_ids(dev)
    counts: dict[str, float] = {
        "data/misplaced_answers": len(misplaced),
        "data/misplaced_questions": len(found) - len(usable),
    }
    return _drawn(config, usable, dev, counts)


def _load_sentences(config: FinetuneConfig) -> LabelledData:
    train = [_read_tagged(source, config) for source in source_files("train", config.train)]
    dev = [_read_tagged(source, config) for source in source_files("dev", config.dev)]
    repaired = sum(file.repaired for file in train)
    if repaired:
        logger.warning("--train: %d tags break their scheme and are read as conlleval reads them", repaired)
    sentences = [sentence for file in train for sentence in file.sentences]
    return _drawn(
        config, sentences, [sentence for file in dev for sentence in file.sentences], {"data/repaired_tags": repaired}
    )


def _drawn(
    config: FinetuneConfig, train: Sequence[ExampleT], dev: Sequence[ExampleT], counts: Mapping[str, float]
) -> LabelledData:
    if not train:
        raise InputError("--train: nothing is left to train on; see the warnings above")
    if not dev:
        raise InputError("--dev: has no example, and models are selected by it; give files that have some")
    if config.examples is not None and config.examples > len(train):
        raise InputError(f"--examples {config.examples}: the training data has {len(train)}; lower it, or give more")
    known = set(map(_content, train))
    shared = sum(_content(example) in known for example in dev)
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


def _content(example: Example) -> tuple[object, ...]:
    """Return what makes an example another one."""
    return (example.question, example.context) if isinstance(example, Question) else (example.tokens,)


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
        examples: questions or sentences.
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


def _read_questions(source: str | HubSplit, config: FinetuneConfig, *, unique_ids: bool) -> list[Question]:
    if isinstance(source, HubSplit):
        return read_hub_questions(source, language=config.language, unique_ids=unique_ids)
    return read_questions(source, language=config.language, unique_ids=unique_ids)


def _read_tagged(source: str | HubSplit, config: FinetuneConfig) -> TaggedFile:
    if isinstance(source, HubSplit):
        return read_hub_tagged(source, types=config.ner.types)
    return read_tagged(source, encoding=config.encoding, types=config.ner.types)


def _check_ids(questions: Iterable[Question]) -> None:
    seen: set[str] = set()
    for question in questions:
        if question.id in seen:
            raise InputError(f"--dev: question {question.id!r} is in two of the files; give each question once")
        seen.add(question.id)


def digest(examples: Iterable[Example]) -> str:
    """Return a hash of the examples in their order."""
    hashed = hashlib.blake2b(digest_size=16)
    for example in examples:
        hashed.update(repr(example).encode())
    return hashed.hexdigest()
