"""Samples of prepared data as the page shows them: the masked source and the answers in the target."""

import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import pyarrow.compute as pc

from clism_core.model.tokenizer import QUE
from clism_core.preparation.manifest import SAMPLES, read_manifest
from clism_core.preparation.report.page import direction
from clism_core.preparation.schema import SAMPLE_SCHEMA
from clism_core.utils import storage
from clism_core.utils.arrow import open_parquet_dataset, parquet_errors
from clism_core.utils.errors import InputError
from clism_core.utils.language_pair import LanguagePair

logger = logging.getLogger(__name__)

SHOWN_SPANS = 2
COLUMNS = ["source_lang", "target_lang", "source", "target", "spans"]


class Part(NamedTuple):
    """Part of a sentence."""

    text: str
    span: int | None = None
    """Index of the span of which it is the text, or `[QUE]` in its place; None between spans."""


class Side(NamedTuple):
    """Sentence in parts."""

    language: str
    direction: str
    """Direction of its text: `ltr`, `rtl` or `auto`."""
    parts: Sequence[Part]


class ShownSample(NamedTuple):
    """Sample with up to two spans."""

    masked: Side
    source: Side
    target: Side


def samples_of(folders: Iterable[str]) -> list[ShownSample]:
    """Return samples of prepared data in several folders, as far as it is still there; a warning names the others."""
    shown: list[ShownSample] = []
    for folder in folders:
        try:
            shown += example_samples(folder)
        except (InputError, OSError) as error:
            logger.warning("the report shows no samples of %s: %s", folder, error)
    return shown


def example_samples(folder: str) -> list[ShownSample]:
    """Return the first sample of each language pair of prepared data.

    Args:
        folder: local path or s3:// URI of prepared data.

    Raises:
        InputError: if there is no prepared data in the folder.
    """
    pairs = read_manifest(folder)["pairs"]
    store, inner = storage.filesystem(storage.join(folder, SAMPLES))
    pair_of_row = pc.binary_join_element_wise(pc.field("source_lang"), pc.field("target_lang"), "-")
    shown: list[ShownSample] = []
    with parquet_errors(folder):
        samples = open_parquet_dataset(inner, schema=SAMPLE_SCHEMA, store=store)
        for pair in pairs:
            shown += map(_shown, samples.filter(pair_of_row == pair).head(1, columns=COLUMNS).to_pylist())
    return shown


def _shown(row: Mapping[str, Any]) -> ShownSample:
    languages = LanguagePair.of(row)
    spans = sorted(row["spans"], key=lambda span: int(span["source_start"]))[:SHOWN_SPANS]
    source = [(span["source_start"], span["source_end"], index) for index, span in enumerate(spans)]
    target = sorted((span["target_start"], span["target_end"], index) for index, span in enumerate(spans))
    plain = list(split(row["source"], source))
    masked = [part if part.span is None else Part(QUE, part.span) for part in plain]
    return ShownSample(
        Side(languages.source, direction(languages.source), masked),
        Side(languages.source, direction(languages.source), plain),
        Side(languages.target, direction(languages.target), list(split(row["target"], target))),
    )


def split(text: str, spans: Sequence[tuple[int, int, int]]) -> Iterator[Part]:
    """Yield the text of the spans, each with its index, and what is between them.

    Args:
        text: sentence.
        spans: start, end (exclusive) and index of each span, from left to right, without overlap.
    """
    end = 0
    for start, stop, index in spans:
        if start > end:
            yield Part(text[end:start])
        yield Part(text[start:stop], index)
        end = stop
    if end < len(text):
        yield Part(text[end:])
