"""What the corpora have yielded, counted over their shards, and the error for a corpus that has yielded nothing."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from clism_core.preparation.config import PrepareConfig
from clism_core.preparation.manifest import REJECTS, ListedFile, reject_file
from clism_core.preparation.quoted_rows import QUOTED, quoted_rows
from clism_core.preparation.sample_stage import Made
from clism_core.preparation.schema import RejectReason
from clism_core.preparation.staging import Shard
from clism_core.preparation.statistics import BlockStatistics
from clism_core.utils import storage
from clism_core.utils.arrow import open_parquet
from clism_core.utils.errors import InputError

_REMEDIES = {
    RejectReason.NO_SPAN: "the sources have no spans of the configured kind; check entities.pipeline, or give another "
    "entities.span_kind, such as ngrams",
    RejectReason.NO_ANSWER: "no span is aligned to one run of words; check that the translations are of these "
    "sentences, or give another aligner",
    RejectReason.DUPLICATE: "its pairs repeat other rows of this language pair; remove the corpus if others contain it",
    RejectReason.INVALID_ALIGNMENT: "check alignment_path, which may belong to another corpus",
    RejectReason.TOO_LONG: "split the texts into sentences, or raise the limits of cleaning",
}
_OTHER_REMEDY = "check the file, its columns and its languages"


@dataclass
class Yields:
    """Results of the shards of all corpora, and counts over them."""

    files: dict[str, ListedFile] = field(default_factory=dict)
    """Files of samples and rejects, by path relative to the output."""
    markup: Counter[str] = field(default_factory=Counter)
    """Number of rows by language pair from which the residue of markup was removed."""
    partial_answers: Counter[str] = field(default_factory=Counter)
    """Number of spans by language pair that were left out because their answers would be partial."""
    samples: Counter[int] = field(default_factory=Counter)
    """Number of samples by corpus."""
    rejects: defaultdict[int, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    """Number of rejects by corpus and reason."""

    def add(self, shards: Iterable[Shard], results: Iterable[Made]) -> Iterator[BlockStatistics]:
        """Add the results of shards, and yield the statistics of each."""
        for shard, made in zip(shards, results, strict=True):
            self.files |= made["files"]
            self.markup[shard.pair] += made["markup"]
            self.partial_answers[shard.pair] += made["partial_answers"]
            self.samples[shard.corpus] += made["statistics"]["samples"]
            self.rejects[shard.corpus].update(made["statistics"]["rejects"])
            yield made["statistics"]


def check_yields(config: PrepareConfig, shards: Sequence[Shard], yields: Yields) -> None:
    """Raise `InputError` if a corpus has no samples: with the main reason and two of its rows, for each such corpus.

    The rejects are kept, and so is the work: the same command finds it again.
    """
    problems = [
        _problem(config, number, [shard for shard in shards if shard.corpus == number], yields)
        for number in range(len(config.corpora))
        if not yields.samples[number]
    ]
    if problems:
        raise InputError("\n".join(problems))


def _problem(config: PrepareConfig, number: int, shards: Sequence[Shard], yields: Yields) -> str:
    corpus, reasons = config.corpora[number], yields.rejects[number].most_common()
    main, _ = reasons[0]
    counts = ", ".join(f"{reason} {rows:,}" for reason, rows in reasons)
    return (
        f"corpora: {corpus.path} ({corpus.pair}): none of its {sum(rows for _, rows in reasons):,} rows has become a "
        f"sample; rejected: {counts}; {_REMEDIES.get(RejectReason(main), _OTHER_REMEDY)}; "
        f"{quoted_rows(_rows(config.output, shards, yields.files, main))}; all rejects: "
        f"{storage.join(config.output, REJECTS)}"
    )


def _rows(output: str, shards: Sequence[Shard], files: Mapping[str, ListedFile], reason: str) -> list[dict[str, Any]]:
    """Return the first rejects with this reason, as many as are quoted."""
    rows: list[dict[str, Any]] = []
    for shard in shards:
        path = storage.join(output, reject_file(shard.name))
        if reject_file(shard.name) in files:
            store, inner = storage.filesystem(path)
            with store.open_input_file(inner) as content:
                table = open_parquet(content, title=path).read(["line", "source", "target", "reason"])
            rows += [row for row in table.to_pylist() if row["reason"] == reason]
        if len(rows) >= QUOTED:
            break
    return rows
