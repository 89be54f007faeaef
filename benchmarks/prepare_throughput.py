"""Sentence pairs per second of `prepare`, compared with a plain reference in the same run.

    python benchmarks/prepare_throughput.py --corpora '[{path: en-vi.tsv.gz, source_lang: en, target_lang: vi}]'

The reference does what a one-page script would do, in one process: read, clean and segment the rows, analyse the
sources with the full spaCy pipeline by `nlp.pipe`, align all pairs of a corpus together with eflomal (with one thread
per core), project the same spans, write Parquet. Both use the same rows and the default settings.
"""

import argparse
import os
import tempfile
import time
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import spacy
import yaml

from clism_core.cluster.connect import connect
from clism_core.preparation.alignment.eflomal import both_directions
from clism_core.preparation.alignment.symmetrize import symmetrize
from clism_core.preparation.cleaning_stage import make_row
from clism_core.preparation.config import PrepareConfig
from clism_core.preparation.corpus import CappedRows, CorpusConfig
from clism_core.preparation.entities import find_candidates, find_pipeline
from clism_core.preparation.entities.stop_words import content_words, stop_words
from clism_core.preparation.prepare import plan, prepare
from clism_core.preparation.spans import project


def main() -> None:
    """Measure both and print their rates."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--corpora", required=True, help="corpora as for `prepare`, in YAML")
    given = parser.parse_args()
    corpora = [CorpusConfig(**corpus) for corpus in yaml.safe_load(given.corpora)]
    with tempfile.TemporaryDirectory() as folder:
        config = PrepareConfig(corpora=corpora, output=f"{folder}/prepared")
        began = time.monotonic()
        rows, samples = reference(config, Path(folder, "reference"))
        reference_rate = rate("reference", rows, samples, seconds=time.monotonic() - began)

        began = time.monotonic()
        connect()
        start = time.monotonic() - began
        began = time.monotonic()
        manifest = prepare(plan(config))
        seconds = time.monotonic() - began
    samples = manifest["samples"]
    prepare_rate = rate("prepare", samples + manifest["rejects"], samples, seconds=seconds)
    cores = os.cpu_count()
    print(f"ratio {prepare_rate / reference_rate:.2f} on {cores} cores (without {start:.1f} s for the start of Ray)")


def rate(name: str, rows: int, samples: int, *, seconds: float) -> float:
    """Print a line of the table and return the rows per second."""
    print(f"{name:10} {rows:9,} rows {samples:9,} samples {seconds:8.1f} s {rows / seconds:8.1f} rows/s", flush=True)
    return rows / seconds


def reference(config: PrepareConfig, output: Path) -> tuple[int, int]:
    """Prepare the corpora with the reference; return the number of rows and of samples."""
    pipeline = find_pipeline(config.entities)
    assert pipeline is not None
    nlp = spacy.load(pipeline["name"])
    count = made = 0
    output.mkdir()
    for number, corpus in enumerate(config.corpora):
        seen: set[bytes] = set()
        live = []
        for raw in CappedRows(corpus):
            count += 1
            row = make_row(raw, corpus=corpus, cleaning=config.cleaning, given_alignment=False)
            if row["reason"] is None and row["digest"] not in seen:
                seen.add(row["digest"])
                live.append(row)
        words = {
            side: [[row[side][start:end] for start, end in row[f"{side}_words"]] for row in live]
            for side in ("source", "target")
        }
        links = both_directions(words["source"], words["target"], threads=os.cpu_count() or 1)
        stops = stop_words(corpus.source_lang)
        samples = []
        docs = nlp.pipe(row["source"] for row in live)
        partial = config.partial_answers
        for place, (row, doc, (forward, reverse)) in enumerate(zip(live, docs, links, strict=True)):
            spans = project(
                find_candidates(
                    doc, span_kind=config.entities.span_kind, max_tokens=config.entities.max_tokens, stops=stops
                ),
                source_words=row["source_words"],
                target_words=row["target_words"],
                target=row["target"],
                links=symmetrize(forward, reverse, config.aligner.symmetrization),
                max_answer_words=config.max_answer_words,
                content_words=content_words(words["source"][place], stops=frozenset() if partial else stops),
            ).spans
            if spans:
                samples.append(
                    {"source": row["source"], "target": row["target"], "spans": [span._asdict() for span in spans]}
                )
        pq.write_table(pa.Table.from_pylist(samples), output / f"{number}.parquet")
        made += len(samples)
    return count, made


if __name__ == "__main__":
    main()
