"""The stages of `prepare` as one Ray Data pipeline, on tables of `ROW_SCHEMA`."""

from functools import partial
from typing import Any

import pyarrow as pa
import ray
from ray.data import ActorPoolStrategy, Dataset

from clism_core.data.alignment.eflomal import EflomalAligner
from clism_core.data.alignment.pharaoh import parse_links
from clism_core.data.config import PrepareConfig
from clism_core.data.entities import EntityFinder
from clism_core.data.reading import ParallelCorpora
from clism_core.data.schema import Reason, replace_column
from clism_core.data.spans import Candidate, project
from clism_core.data.tally import Tally

# One actor of each stage and one task fit into a single CPU together: otherwise each could wait for the other for ever.
_ACTOR_CPUS = 0.3
_ALIGN_CPUS = 0.4
TASK_CPUS = 0.2


def build_pipeline(config: PrepareConfig, *, tally: Tally) -> Dataset:
    """Return the rows of the corpora, aligned and analysed, each with its spans or with the reason why it has none."""
    corpora = ParallelCorpora(
        config.corpora,
        cleaning=config.cleaning,
        given_alignment=config.aligner.kind == "pharaoh",
        tally=tally,
    )
    rows = ray.data.read_datasource(corpora, override_num_blocks=len(corpora.pairs), num_cpus=TASK_CPUS)
    if config.aligner.kind == "eflomal":
        eflomal = EflomalAligner(symmetrization=config.aligner.symmetrization, tally=tally)
        rows = rows.map_batches(eflomal, batch_size=None, batch_format="pyarrow", num_cpus=_ALIGN_CPUS)
    # From here on a block of so many rows, of one language pair, stays a block, and becomes a file.
    rows = rows.repartition(target_num_rows_per_block=config.rows_per_file)
    rows = _map_by_actors(rows, EntityFinder, config.entities, tally=tally)
    if config.aligner.kind == "embedding":
        # Imported here: torch and transformers take seconds, and eflomal wants none of them.
        from clism_core.data.alignment.embedding import EmbeddingAligner

        rows = _map_by_actors(rows, EmbeddingAligner, config.aligner, tally=tally, gpus=_gpus())
    rows = rows.map_batches(
        partial(add_spans, max_answer_words=config.max_answer_words),
        batch_size=None,
        batch_format="pyarrow",
        num_cpus=TASK_CPUS,
    )
    if config.aligner.kind == "eflomal":
        # Ray would cut what is read into blocks of 128 MiB, and eflomal shall see a language pair as a whole.
        rows.context.target_max_block_size = None
    return rows


def add_spans(table: pa.Table, *, max_answer_words: int) -> pa.Table:
    """Fill in `spans` where a row has no reason yet; where no candidate has an answer, `no_answer` is the reason."""
    reasons = table["reason"].to_pylist()
    spans: list[object] = [None] * table.num_rows
    columns = ["target", "source_words", "target_words", "alignment", "candidates"]
    for place, row in enumerate(table.select(columns).to_pylist()):
        if reasons[place] is not None:
            continue
        found = project(
            [Candidate(**candidate) for candidate in row["candidates"]],
            source_words=[(word["start"], word["end"]) for word in row["source_words"]],
            target_words=[(word["start"], word["end"]) for word in row["target_words"]],
            target=row["target"],
            links=parse_links(row["alignment"]) or (),
            max_answer_words=max_answer_words,
        )
        spans[place] = [span._asdict() for span in found]
        if not found:
            reasons[place] = Reason.NO_ANSWER
    return replace_column(replace_column(table, "spans", spans), "reason", reasons)


def _map_by_actors(rows: Dataset, stage: Any, config: Any, *, tally: Tally, gpus: int = 0) -> Dataset:
    """Pass blocks through actors of the class `stage`: as many as there are GPUs, or CPUs where it wants none."""
    cpus = int(ray.cluster_resources().get("CPU", 1))
    return rows.map_batches(
        stage,
        fn_constructor_args=(config,),
        fn_constructor_kwargs={"tally": tally},
        compute=ActorPoolStrategy(min_size=1, max_size=max(1, gpus or cpus)),
        batch_size=None,
        batch_format="pyarrow",
        num_cpus=_ACTOR_CPUS,
        num_gpus=1 if gpus else 0,
    )


def _gpus() -> int:
    return int(ray.cluster_resources().get("GPU", 0))
